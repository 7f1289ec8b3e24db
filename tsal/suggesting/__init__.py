"""Which frames to label next: those on which the method's own signals disagree, and which are not all alike.

evidence   how much the signals of a frame disagree, and what the network makes of it
choice     from these to a few frames
suggest    from one's own pictures and videos to a folder for an annotation tool
"""
