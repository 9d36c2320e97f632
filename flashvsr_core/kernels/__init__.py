"""Operations in two forms: plain torch for every device, one fused Triton kernel for NVIDIA GPUs.

Each file offers one call; the fused form computes the same in float32 inside and rounds once.
"""
