"""From videos and pictures to landmarks: `tsal track`.

follow: the faces of a video, frame by frame, each with an id that stays. looks: whether two faces are the same
person's, as far as their pixels tell. smooth: the One Euro filter. formats: what is written, by suffix. overlay: the
video with its landmarks drawn. track: all of it, file by file. camera, window, live: the same of a camera, as it comes.
"""
