"""Operators with more than one implementation, each behind one function."""

from univs.modeling.ops.deformable_attention import (
    MSDeformAttn,
    deformable_attention_backend,
    multi_scale_deformable_attention,
)

__all__ = ["MSDeformAttn", "deformable_attention_backend", "multi_scale_deformable_attention"]
