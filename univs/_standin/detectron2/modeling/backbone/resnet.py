"""Residual networks (He et al., "Deep Residual Learning for Image Recognition", 2015)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fvcore.nn.weight_init import c2_msra_fill
from torch import Tensor, nn
from torch.nn import functional as F

from detectron2.config import CfgNode
from detectron2.layers import CNNBlockBase, Conv2d, ShapeSpec, get_norm
from detectron2.modeling.backbone.backbone import Backbone
from detectron2.modeling.backbone.build import BACKBONE_REGISTRY

__all__ = [
    "BasicBlock",
    "BasicStem",
    "BottleneckBlock",
    "ResNet",
    "ResNetBlockBase",
    "build_resnet_backbone",
    "make_stage",
]

ResNetBlockBase = CNNBlockBase

# Blocks of res2..res5, indexed by depth.
_NUM_BLOCKS = {
    18: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
}


def _conv(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    norm: str,
    stride: int = 1,
    groups: int = 1,
    dilation: int = 1,
) -> Conv2d:
    """A convolution with norm and without bias that keeps the size (up to the stride)."""
    conv = Conv2d(
        in_channels,
        out_channels,
        kernel_size=kernel_size,
        stride=stride,
        padding=dilation * (kernel_size // 2),
        dilation=dilation,
        groups=groups,
        bias=False,
        norm=get_norm(norm, out_channels),
    )
    c2_msra_fill(conv)
    return conv


def _shortcut(in_channels: int, out_channels: int, stride: int, norm: str) -> Conv2d | None:
    """A projection, where input and output channels differ."""
    return (
        None if in_channels == out_channels else _conv(in_channels, out_channels, 1, norm, stride)
    )


class BasicBlock(CNNBlockBase):
    """Two 3x3 convolutions and a shortcut: the block of ResNet-18 and 34.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the first convolution and the shortcut.
        norm: see :func:`detectron2.layers.get_norm`.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, stride: int = 1, norm: str = "BN"
    ) -> None:
        super().__init__(in_channels, out_channels, stride)
        self.shortcut = _shortcut(in_channels, out_channels, stride, norm)
        self.conv1 = _conv(in_channels, out_channels, 3, norm, stride)
        self.conv2 = _conv(out_channels, out_channels, 3, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, in_channels, H, W]`` to ``[N, out_channels, H / stride, W / stride]``."""
        out = F.relu_(self.conv1(x))
        out = self.conv2(out)
        out += x if self.shortcut is None else self.shortcut(x)
        return F.relu_(out)


class BottleneckBlock(CNNBlockBase):
    """1x1, 3x3 and 1x1 convolutions and a shortcut: the block of ResNet-50, 101 and 152.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        bottleneck_channels: channels of the 3x3 convolution.
        stride: of the block.
        num_groups: groups of the 3x3 convolution.
        norm: see :func:`detectron2.layers.get_norm`.
        stride_in_1x1: let the first 1x1 convolution carry the stride, not the 3x3 one.
        dilation: of the 3x3 convolution.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bottleneck_channels: int,
        stride: int = 1,
        num_groups: int = 1,
        norm: str = "BN",
        stride_in_1x1: bool = False,
        dilation: int = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, stride)
        stride_1x1, stride_3x3 = (stride, 1) if stride_in_1x1 else (1, stride)
        width = bottleneck_channels
        self.shortcut = _shortcut(in_channels, out_channels, stride, norm)
        self.conv1 = _conv(in_channels, width, 1, norm, stride_1x1)
        self.conv2 = _conv(width, width, 3, norm, stride_3x3, num_groups, dilation)
        self.conv3 = _conv(width, out_channels, 1, norm)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, in_channels, H, W]`` to ``[N, out_channels, H / stride, W / stride]``."""
        out = F.relu_(self.conv1(x))
        out = F.relu_(self.conv2(out))
        out = self.conv3(out)
        out += x if self.shortcut is None else self.shortcut(x)
        return F.relu_(out)


class BasicStem(CNNBlockBase):
    """A 7x7 convolution and a max pooling, of stride 2 each.

    Args:
        in_channels: channels of the images.
        out_channels: channels of the output.
        norm: see :func:`detectron2.layers.get_norm`.
    """

    def __init__(self, in_channels: int = 3, out_channels: int = 64, norm: str = "BN") -> None:
        super().__init__(in_channels, out_channels, 4)
        self.conv1 = _conv(in_channels, out_channels, 7, norm, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, in_channels, H, W]`` to ``[N, out_channels, H / 4, W / 4]``."""
        x = F.relu_(self.conv1(x))
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


class ResNet(Backbone):
    """A stem and stages named ``res2``, ``res3``, ...; optionally a classifier named ``linear``.

    Args:
        stem: the first block.
        stages: blocks of each stage, in order. Those that no ``out_features`` need are dropped.
        num_classes: of the classifier; none is built if None.
        out_features: what :meth:`forward` returns: ``"stem"``, ``"res2"``, ..., ``"linear"``; the
            last of them by default.
        freeze_at: see :meth:`freeze`.
    """

    def __init__(
        self,
        stem: CNNBlockBase,
        stages: Sequence[Sequence[CNNBlockBase]],
        num_classes: int | None = None,
        out_features: Iterable[str] | None = None,
        freeze_at: int = 0,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.num_classes = num_classes
        if out_features is not None and "linear" not in out_features:
            names = [f"res{index + 2}" for index in range(len(stages))]
            stages = stages[: max([names.index(f) + 1 for f in out_features if f in names] or [0])]

        stride, channels = stem.stride, stem.out_channels
        self._out_feature_strides = {"stem": stride}
        self._out_feature_channels = {"stem": channels}
        self.stage_names, self.stages = [], []
        name = "stem"
        for index, blocks in enumerate(stages):
            assert len(blocks) > 0, "a stage needs at least one block"
            name = f"res{index + 2}"
            stage = nn.Sequential(*blocks)
            self.add_module(name, stage)
            self.stage_names.append(name)
            self.stages.append(stage)
            for block in blocks:
                assert isinstance(block, CNNBlockBase), f"{block} is not a CNNBlockBase"
                stride *= block.stride
                channels = block.out_channels
            self._out_feature_strides[name] = stride
            self._out_feature_channels[name] = channels
        self.stage_names = tuple(self.stage_names)

        if num_classes is not None:
            self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
            self.linear = nn.Linear(channels, num_classes)
            nn.init.normal_(self.linear.weight, std=0.01)
            name = "linear"

        self._out_features = [name] if out_features is None else list(out_features)
        known = {child_name for child_name, _ in self.named_children()}
        for feature in self._out_features:
            assert feature in known, f"{feature!r} is not one of {', '.join(sorted(known))}"
        self.freeze(freeze_at)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Map images ``[N, C, H, W]`` to the feature maps of ``out_features``, by name."""
        assert x.dim() == 4, f"ResNet takes an input of shape (N, C, H, W), not {tuple(x.shape)}"
        outputs = {}
        x = self.stem(x)
        if "stem" in self._out_features:
            outputs["stem"] = x
        for name, stage in zip(self.stage_names, self.stages, strict=True):
            x = stage(x)
            if name in self._out_features:
                outputs[name] = x
        if self.num_classes is not None and "linear" in self._out_features:
            outputs["linear"] = self.linear(self.avgpool(x).flatten(1))  # [N, num_classes]
        return outputs

    def output_shape(self) -> dict[str, ShapeSpec]:
        """Channels and stride of each feature map; the classifier has neither."""
        return {
            name: ShapeSpec(
                channels=self._out_feature_channels.get(name),
                stride=self._out_feature_strides.get(name),
            )
            for name in self._out_features
        }

    def freeze(self, freeze_at: int = 0) -> ResNet:
        """Freeze the first parts: parameters get no gradient, batch norms become frozen ones.

        Args:
            freeze_at: 0 for none, 1 for the stem, 2 for the stem and res2, and so on.

        Returns:
            This network.
        """
        if freeze_at >= 1:
            self.stem.freeze()
        for index, stage in enumerate(self.stages, start=2):
            if freeze_at >= index:
                for block in stage.children():
                    block.freeze()
        return self

    @staticmethod
    def make_stage(
        block_class: type[CNNBlockBase],
        num_blocks: int,
        *,
        in_channels: int,
        out_channels: int,
        **kwargs,
    ) -> list[CNNBlockBase]:
        """Build blocks that follow one another.

        Args:
            block_class: of the blocks.
            num_blocks: how many.
            in_channels: of the first block.
            out_channels: of every block.
            kwargs: further arguments of ``block_class``. One that ends in ``_per_block`` is a list
                with the value of each block.
        """
        suffix = "_per_block"
        shared = {key: value for key, value in kwargs.items() if not key.endswith(suffix)}
        varying = {key.removesuffix(suffix): kwargs[key] for key in kwargs.keys() - shared.keys()}
        for key, values in varying.items():
            assert len(values) == num_blocks, f"{key}{suffix} needs {num_blocks} values: {values}"
            assert key not in shared, f"{key} is given twice: for all blocks and per block"
        return [
            block_class(
                in_channels=in_channels if index == 0 else out_channels,
                out_channels=out_channels,
                **shared,
                **{key: values[index] for key, values in varying.items()},
            )
            for index in range(num_blocks)
        ]

    @staticmethod
    def make_default_stages(
        depth: int, block_class: type[CNNBlockBase] | None = None, **kwargs
    ) -> list[list[CNNBlockBase]]:
        """Build res2..res5 of a network of standard depth.

        Args:
            depth: 18, 34, 50, 101 or 152.
            block_class: of the blocks; basic blocks below depth 50, else bottlenecks by default.
            kwargs: further arguments of the blocks, except strides and channels.
        """
        basic = depth < 50
        if block_class is None:
            block_class = BasicBlock if basic else BottleneckBlock
        stages = []
        in_channels = 64
        for index, num_blocks in enumerate(_NUM_BLOCKS[depth]):
            width = 64 * 2**index
            out_channels = width if basic else 4 * width
            if not basic:
                kwargs["bottleneck_channels"] = width
            strides = [1 if index == 0 else 2] + [1] * (num_blocks - 1)
            stages.append(
                ResNet.make_stage(
                    block_class,
                    num_blocks,
                    in_channels=in_channels,
                    out_channels=out_channels,
                    stride_per_block=strides,
                    **kwargs,
                )
            )
            in_channels = out_channels
        return stages


make_stage = ResNet.make_stage


@BACKBONE_REGISTRY.register()
def build_resnet_backbone(cfg: CfgNode, input_shape: ShapeSpec) -> ResNet:
    """Build the ResNet of ``MODEL.RESNETS``, frozen up to ``MODEL.BACKBONE.FREEZE_AT``.

    Raises:
        ValueError: the keys ask for a network that does not exist here.
    """
    options = cfg.MODEL.RESNETS
    depth = options.DEPTH
    if depth not in _NUM_BLOCKS:
        raise ValueError(f"MODEL.RESNETS.DEPTH {depth} is not one of {list(_NUM_BLOCKS)}")
    if any(options.DEFORM_ON_PER_STAGE):
        raise ValueError(
            "MODEL.RESNETS.DEFORM_ON_PER_STAGE needs the compiled operators of an installed "
            "Detectron2"
        )
    if options.RES5_DILATION not in (1, 2):
        raise ValueError(f"MODEL.RESNETS.RES5_DILATION must be 1 or 2, not {options.RES5_DILATION}")
    if depth < 50:
        plain = options.RES2_OUT_CHANNELS == 64 and options.NUM_GROUPS == 1
        if not plain or options.RES5_DILATION != 1:
            raise ValueError(
                f"MODEL.RESNETS.DEPTH {depth} needs RES2_OUT_CHANNELS 64, NUM_GROUPS 1 and "
                "RES5_DILATION 1"
            )

    stem = BasicStem(input_shape.channels, options.STEM_OUT_CHANNELS, options.NORM)
    stages = []
    in_channels = options.STEM_OUT_CHANNELS
    out_channels = options.RES2_OUT_CHANNELS
    width = options.NUM_GROUPS * options.WIDTH_PER_GROUP
    for index, num_blocks in enumerate(_NUM_BLOCKS[depth]):
        dilation = options.RES5_DILATION if index == 3 else 1
        first_stride = 1 if index == 0 or dilation == 2 else 2
        arguments = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "norm": options.NORM,
            "stride_per_block": [first_stride] + [1] * (num_blocks - 1),
        }
        if depth < 50:
            stages.append(ResNet.make_stage(BasicBlock, num_blocks, **arguments))
        else:
            stages.append(
                ResNet.make_stage(
                    BottleneckBlock,
                    num_blocks,
                    bottleneck_channels=width,
                    num_groups=options.NUM_GROUPS,
                    stride_in_1x1=options.STRIDE_IN_1X1,
                    dilation=dilation,
                    **arguments,
                )
            )
        in_channels = out_channels
        out_channels, width = 2 * out_channels, 2 * width
    return ResNet(
        stem,
        stages,
        out_features=options.OUT_FEATURES,
        freeze_at=cfg.MODEL.BACKBONE.FREEZE_AT,
    )
