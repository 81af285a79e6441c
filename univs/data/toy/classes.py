"""Class lists of the toy datasets: thing classes are shapes, stuff classes are textured regions.

Inside the generator every class is a 0-based index into :data:`THING_CLASSES` or
:data:`STUFF_CLASSES`. Official-looking ids are made by the layouts when files are written.
"""

from __future__ import annotations

THING_CLASSES = ("circle", "square", "triangle", "star", "cross", "ring")
STUFF_CLASSES = ("sky", "grass", "water", "road")

#: VIPSeg and VSPW list stuff and things together; their 16-bit masks store a thing as
#: ``class * 100 + k`` and read every value up to 124 as stuff, so stuff has to come first.
PANOPTIC_CLASSES = STUFF_CLASSES + THING_CLASSES

#: Colours for drawing (RGB, 0-255), in the order of :data:`THING_CLASSES`.
THING_COLORS = (
    (220, 20, 60),
    (0, 0, 142),
    (250, 170, 30),
    (107, 0, 200),
    (0, 150, 90),
    (0, 190, 220),
)
#: Colours for drawing (RGB, 0-255), in the order of :data:`STUFF_CLASSES`.
STUFF_COLORS = ((70, 130, 180), (107, 142, 35), (60, 90, 230), (128, 64, 128))
PANOPTIC_COLORS = STUFF_COLORS + THING_COLORS

#: Colours that objects are painted in and that expressions name (RGB, 0-255).
PAINTS = {
    "red": (205, 40, 40),
    "orange": (240, 140, 30),
    "yellow": (240, 220, 60),
    "green": (40, 165, 70),
    "blue": (45, 80, 205),
    "purple": (130, 50, 170),
    "pink": (245, 150, 190),
    "white": (238, 238, 238),
}
#: The paint that most objects of a class have; how many is ``ToyDifficulty.typical_paint``.
TYPICAL_PAINTS = ("red", "blue", "yellow", "purple", "green", "orange")

#: Patterns that objects are painted with, as adjectives. They are independent of the class.
TEXTURES = ("plain", "striped", "dotted", "checkered")

#: Official COCO ids have gaps; so have these, to catch readers that take an id for an index.
COCO_THING_IDS = (1, 2, 3, 5, 6, 8)
COCO_STUFF_IDS = (92, 93, 95, 100)
