"""Data sets of a configuration alone: `benchmarks: {mine: {reader: coco, images: photos/, labels: labels.json, ...}}`.

options: what such a section may say. scheme: its landmarks. dataset: the data set that follows from it, and what it is
made of. people: who and what belongs together, and who trains. boxes: of faces, from what is annotated of them. faces:
from annotations to the table of faces. Videos without labels are followed by tsal.tracking.pool.
"""
