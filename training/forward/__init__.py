"""The engine's networks over whole batches of whole clips, with gradients.

The engine runs one video chunk by chunk, keeps memories and fuses operations; these functions
compute the same from the same weights for (B, ...) clips at once. Tests hold the two together.
"""
