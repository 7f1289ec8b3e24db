"""Optical flow between the frames of a clip: trackers, warping, occlusion.

Flow is computed once per clip on the packed crops, in store pixels, and stored at half resolution:
`flow[p, 0]` leads from frame t to t+1 (forward), `flow[p, 1]` from t+1 back to t (backward), for the pair p of the
store's p-th face that has a following frame.

fields: flow at positions, occlusion, warping. trackers, tracking: their names, and themselves. storage: the file of a
store's pairs. pwc, unsupervised: a network of this project, and the losses that it is trained with without labels.
"""
