"""What people wear on their heads, and what they hold in front of their faces.

Everything is built from a person's neutral shape at fixed places of the mesh, so it fits each head. Lengths are dm in
the frame of Person.neutral; sizes are those of real things, of which a child's glasses and masks are smaller.

places    places of the mesh that things are fitted to
fitting   one person's head: its measures, a shell round it, and pushing things out of it
solids    bars, pipes, balls, plates and curved surfaces
colours   palettes
glasses   glasses and sunglasses
headwear  hats, scarves, bands, headphones, earrings
masks     medical and cloth masks
worn      what a person wears, by chance
hands     hands with forearms and sleeves, and their poses
held      what is held in front of a face, by chance, and how it moves
"""

from tsal.synth.props.held import hold
from tsal.synth.props.worn import Worn, wear

__all__ = ["Worn", "hold", "wear"]
