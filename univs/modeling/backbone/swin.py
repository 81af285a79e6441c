"""Swin Transformer as a backbone (Liu et al. 2021), with the published parameter names."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from detectron2.config import configurable
from detectron2.modeling import BACKBONE_REGISTRY, Backbone, ShapeSpec

# Added to the attention logits of token pairs that only the cyclic shift brings into one window.
_DIFFERENT_REGION = -100.0


class DropPath(nn.Module):
    """Stochastic depth: drop the whole branch of a sample with probability ``rate``."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if self.rate == 0.0 or not self.training:
            return x
        keep = 1.0 - self.rate
        shape = (x.shape[0],) + (1,) * (x.ndim - 1)
        return x * x.new_empty(shape).bernoulli_(keep).div_(keep)


class MLP(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden_dim)
        self.fc2 = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class PatchEmbed(nn.Module):
    """Cut the image into patches, one token each; the image is padded to whole patches."""

    def __init__(self, *, patch_size: int, embed_dim: int, use_norm: bool) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.proj = nn.Conv2d(3, embed_dim, kernel_size=patch_size, stride=patch_size)
        self.norm = nn.LayerNorm(embed_dim) if use_norm else None

    def forward(self, image: Tensor) -> Tensor:
        """``(B, 3, H, W)`` -> ``(B, H / patch, W / patch, C)``, sizes rounded up."""
        height, width = image.shape[-2:]
        image = F.pad(image, (0, -width % self.patch_size, 0, -height % self.patch_size))
        x = self.proj(image).permute(0, 2, 3, 1)  # B h w C
        return x if self.norm is None else self.norm(x)


class PatchMerging(nn.Module):
    """Halve the resolution and double the channels."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * dim)
        self.reduction = nn.Linear(4 * dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(B, h, w, C)`` -> ``(B, h / 2, w / 2, 2 C)``, sizes rounded up."""
        x = F.pad(x, (0, 0, 0, x.shape[2] % 2, 0, x.shape[1] % 2))
        corners = (x[:, 0::2, 0::2], x[:, 1::2, 0::2], x[:, 0::2, 1::2], x[:, 1::2, 1::2])
        return self.reduction(self.norm(torch.cat(corners, dim=-1)))


def relative_position_index(window: int) -> Tensor:
    """Row of the bias table for each pair of tokens of a window: int64 ``(w * w, w * w)``."""
    axis = torch.arange(window)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    y, x = y.flatten(), x.flatten()
    rows = y[:, None] - y[None] + window - 1
    columns = x[:, None] - x[None] + window - 1
    return rows * (2 * window - 1) + columns


class WindowAttention(nn.Module):
    """Multi-head self-attention within windows, with a learnt bias for each relative position."""

    def __init__(self, *, dim: int, window: int, num_heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.relative_position_bias_table = nn.Parameter(
            torch.zeros((2 * window - 1) ** 2, num_heads)
        )
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        # Part of published checkpoints, though it follows from the window size.
        self.register_buffer("relative_position_index", relative_position_index(window))
        self.qkv = nn.Linear(dim, 3 * dim, bias=qkv_bias)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x: Tensor, shift_mask: Tensor | None) -> Tensor:
        """
        Args:
            x: ``(B * windows, N, C)``, N tokens per window.
            shift_mask: ``(windows, N, N)`` added to the attention logits, or None.

        Returns:
            ``(B * windows, N, C)``.
        """
        windows, tokens, channels = x.shape
        qkv = self.qkv(x).view(windows, tokens, 3, self.num_heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each: B*windows M N C/M
        bias = self.relative_position_bias_table[self.relative_position_index.flatten()]
        bias = bias.view(tokens, tokens, -1).permute(2, 0, 1)[None]  # 1 M N N
        if shift_mask is not None:
            bias = bias + shift_mask[:, None]  # windows M N N
            bias = bias.repeat(windows // shift_mask.shape[0], 1, 1, 1)
        x = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        return self.proj(x.transpose(1, 2).reshape(windows, tokens, channels))


def shift_mask(height: int, width: int, window: int, shift: int, *, like: Tensor) -> Tensor:
    """Logit offsets that keep apart what a cyclic shift brings together.

    Args:
        height, width: size of the padded map, multiples of ``window``.
        window, shift: in tokens.
        like: tensor whose device and dtype the result takes.

    Returns:
        ``(windows, N, N)``: 0 within a region, -100 across regions; windows row-major.
    """

    def regions(length: int) -> Tensor:
        axis = torch.zeros(length, dtype=torch.long, device=like.device)
        axis[-window:] = 1
        axis[-shift:] = 2
        return axis

    labels = 3 * regions(height)[:, None] + regions(width)  # H W
    labels = labels.view(height // window, window, width // window, window)
    labels = labels.transpose(1, 2).reshape(-1, window * window)  # windows N
    different = labels[:, :, None] != labels[:, None, :]
    return different.to(like.dtype) * _DIFFERENT_REGION


class SwinBlock(nn.Module):
    """Window attention and an MLP, each with a residual connection."""

    def __init__(
        self,
        *,
        dim: int,
        num_heads: int,
        window: int,
        shift: int,
        mlp_ratio: float,
        qkv_bias: bool,
        drop_path: float,
    ) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim=dim, window=window, num_heads=num_heads, qkv_bias=qkv_bias)
        self.drop_path = DropPath(drop_path)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = MLP(dim, int(dim * mlp_ratio))

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """``(B, h, w, C)`` -> ``(B, h, w, C)``; ``mask`` is used by shifted blocks only."""
        x = x + self.drop_path(self._attend(self.norm1(x), mask))
        return x + self.drop_path(self.mlp(self.norm2(x)))

    def _attend(self, x: Tensor, mask: Tensor | None) -> Tensor:
        batch, height, width, channels = x.shape
        window, shift = self.window, self.shift
        # Padded tokens take part in attention as zero vectors, as in the published models.
        x = F.pad(x, (0, 0, 0, -width % window, 0, -height % window))
        padded_height, padded_width = x.shape[1:3]
        if shift:
            x = x.roll((-shift, -shift), dims=(1, 2))
        rows, columns = padded_height // window, padded_width // window
        x = x.view(batch, rows, window, columns, window, channels).transpose(2, 3)
        x = self.attn(x.reshape(-1, window * window, channels), mask if shift else None)
        x = x.view(batch, rows, columns, window, window, channels).transpose(2, 3)
        x = x.reshape(batch, padded_height, padded_width, channels)
        if shift:
            x = x.roll((shift, shift), dims=(1, 2))
        return x[:, :height, :width]


class SwinStage(nn.Module):
    """Blocks of one resolution, alternately plain and shifted, then patch merging."""

    def __init__(
        self,
        *,
        dim: int,
        num_heads: int,
        window: int,
        mlp_ratio: float,
        qkv_bias: bool,
        drop_paths: list[float],
        downsample: bool,
        recompute: bool,
    ) -> None:
        super().__init__()
        self.window = window
        self.recompute = recompute
        self.blocks = nn.ModuleList(
            SwinBlock(
                dim=dim,
                num_heads=num_heads,
                window=window,
                shift=window // 2 if index % 2 else 0,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                drop_path=rate,
            )
            for index, rate in enumerate(drop_paths)
        )
        self.downsample = PatchMerging(dim) if downsample else None

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``(B, h, w, C)`` -> the stage's output, and the input of the next stage."""
        height, width = (size + -size % self.window for size in x.shape[1:3])
        mask = None
        if len(self.blocks) > 1:
            mask = shift_mask(height, width, self.window, self.window // 2, like=x)
        for block in self.blocks:
            if self.recompute and x.requires_grad:
                x = checkpoint(block, x, mask, use_reentrant=False)
            else:
                x = block(x, mask)
        return x, x if self.downsample is None else self.downsample(x)


class SwinTransformer(Backbone):
    """Swin Transformer returning the normalised output of its stages, strides 4 to 32."""

    def __init__(
        self,
        *,
        patch_size: int = 4,
        embed_dim: int = 96,
        depths: list[int],
        num_heads: list[int],
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        qkv_bias: bool = True,
        drop_path_rate: float = 0.3,
        patch_norm: bool = True,
        pretrain_img_size: int | None = None,
        out_features: list[str],
        freeze_at: int = 0,
        recompute: bool = False,
    ) -> None:
        """
        Args:
            patch_size: side of a patch in pixels.
            embed_dim: channels C of the first stage; stage i has C * 2**i.
            depths, num_heads: blocks and heads of each stage.
            window_size: side of a window in tokens.
            mlp_ratio: hidden width of the MLPs in units of their width.
            qkv_bias: whether queries, keys and values have a bias.
            drop_path_rate: stochastic depth of the last block, rising linearly from 0.
            patch_norm: whether the patch embedding is normalised.
            pretrain_img_size: side of the pre-training images in pixels; gives the model an
                absolute position embedding of their size, or None for a model without one.
            out_features: stages to return, out of ``res2`` ... ``res5``.
            freeze_at: 1 freezes the patch embedding, n >= 2 also stages 0 ... n - 2.
            recompute: compute the activations of blocks again in the backward pass instead of
                keeping them: less memory, more time, the same gradients.
        """
        super().__init__()
        self.freeze_at = freeze_at
        self.patch_embed = PatchEmbed(
            patch_size=patch_size, embed_dim=embed_dim, use_norm=patch_norm
        )
        if pretrain_img_size is not None:
            side = pretrain_img_size // patch_size
            self.absolute_pos_embed = nn.Parameter(torch.zeros(1, embed_dim, side, side))
            nn.init.trunc_normal_(self.absolute_pos_embed, std=0.02)
        else:
            self.absolute_pos_embed = None
        rates = np.split(np.linspace(0, drop_path_rate, sum(depths)), np.cumsum(depths)[:-1])
        self.layers = nn.ModuleList(
            SwinStage(
                dim=embed_dim * 2**index,
                num_heads=num_heads[index],
                window=window_size,
                mlp_ratio=mlp_ratio,
                qkv_bias=qkv_bias,
                drop_paths=rates[index].tolist(),
                downsample=index < len(depths) - 1,
                recompute=recompute,
            )
            for index in range(len(depths))
        )
        self._out_features = out_features
        self._out_feature_channels, self._out_feature_strides = {}, {}
        for index in range(len(depths)):
            name = f"res{index + 2}"
            self._out_feature_channels[name] = embed_dim * 2**index
            self._out_feature_strides[name] = patch_size * 2**index
            if name in out_features:
                self.add_module(f"norm{index}", nn.LayerNorm(embed_dim * 2**index))
        self._freeze()

    @property
    def size_divisibility(self) -> int:
        return 32

    def _frozen_modules(self) -> list[nn.Module]:
        if self.freeze_at < 1:
            return []
        return [self.patch_embed, *self.layers[: max(0, self.freeze_at - 1)]]

    def _freeze(self) -> None:
        for module in self._frozen_modules():
            module.eval()
            module.requires_grad_(False)
        if self.freeze_at >= 2 and self.absolute_pos_embed is not None:
            self.absolute_pos_embed.requires_grad_(False)

    def train(self, mode: bool = True) -> SwinTransformer:
        """Switch the mode; frozen parts stay in evaluation mode, so they drop no paths."""
        super().train(mode)
        for module in self._frozen_modules():
            module.eval()
        return self

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """``(B, 3, H, W)`` -> ``{"res2": (B, C, H / 4, W / 4), ...}``, sizes rounded up."""
        x = self.patch_embed(image)
        if self.absolute_pos_embed is not None:
            embedding = F.interpolate(self.absolute_pos_embed, size=x.shape[1:3], mode="bicubic")
            x = x + embedding.permute(0, 2, 3, 1)
        outputs = {}
        for index, stage in enumerate(self.layers):
            output, x = stage(x)
            name = f"res{index + 2}"
            if name in self._out_features:
                norm = self.get_submodule(f"norm{index}")
                outputs[name] = norm(output).permute(0, 3, 1, 2).contiguous()
        return outputs

    def output_shape(self) -> dict[str, ShapeSpec]:
        return {
            name: ShapeSpec(
                channels=self._out_feature_channels[name], stride=self._out_feature_strides[name]
            )
            for name in self._out_features
        }


@BACKBONE_REGISTRY.register()
class D2SwinTransformer(SwinTransformer):
    """The registered Swin backbone, built from ``MODEL.SWIN``."""

    @configurable
    def __init__(self, **arguments) -> None:
        super().__init__(**arguments)

    @classmethod
    def from_config(cls, cfg, input_shape) -> dict:
        swin = cfg.MODEL.SWIN
        return {
            "patch_size": swin.PATCH_SIZE,
            "embed_dim": swin.EMBED_DIM,
            "depths": list(swin.DEPTHS),
            "num_heads": list(swin.NUM_HEADS),
            "window_size": swin.WINDOW_SIZE,
            "mlp_ratio": swin.MLP_RATIO,
            "qkv_bias": swin.QKV_BIAS,
            "drop_path_rate": swin.DROP_PATH_RATE,
            "patch_norm": swin.PATCH_NORM,
            "pretrain_img_size": swin.PRETRAIN_IMG_SIZE if swin.APE else None,
            "out_features": list(swin.OUT_FEATURES),
            "freeze_at": cfg.MODEL.BACKBONE.FREEZE_AT,
            "recompute": swin.USE_CHECKPOINT,
        }
