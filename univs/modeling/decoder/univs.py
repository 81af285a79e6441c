"""The decoder of UniVS: learnable and prompt queries side by side (UniVS, section 3)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from detectron2.config import configurable
from univs.modeling.clip_memory import ClipMemory, tokens_of
from univs.modeling.concepts import ConceptTable, concept_table_from_config
from univs.modeling.decoder.layers import MLP, CrossAttentionLayer, FFNLayer, SelfAttentionLayer
from univs.modeling.decoder.masked_attention import (
    NUM_FEATURE_LEVELS,
    attention_mask,
    open_empty_rows,
)
from univs.modeling.decoder.predictions import PromptedOutput, PromptedPredictions, PromptQueries
from univs.modeling.decoder.prompt_attention import (
    SelfAttentionKind,
    prompt_cross_attention,
    separated_self_attention,
)
from univs.modeling.decoder.prompt_embedding import PromptEmbedding
from univs.modeling.decoder.registry import TRANSFORMER_DECODER_REGISTRY
from univs.modeling.position_encoding import (
    clip_frame_positions,
    indexed_frame_positions,
    sine_encoding_3d,
)
from univs.modeling.prompts.prompt_types import ExpressionPrompts, Prompts

TIME_ENCODINGS = ("ArbitraryT", "FixedT")
# Of class and re-identification logits, before training.
_INITIAL_TEMPERATURE = 0.07


@TRANSFORMER_DECODER_REGISTRY.register()
class VideoMultiScaleMaskedTransformerDecoderUniVS(PromptEmbedding):
    """One decoder for every task: targets that are prompted get a query per prompt and frame.

    Per layer: prompts attend to their own dense tokens (ProCA), then all queries to where their
    mask was in each frame, then to each other over all frames.
    """

    @configurable
    def __init__(
        self,
        in_channels: int,
        *,
        hidden_dim: int,
        num_queries: int,
        nheads: int,
        dim_feedforward: int,
        dec_layers: int,
        num_prompt_layers: int,
        pre_norm: bool,
        mask_dim: int,
        enforce_input_project: bool,
        concepts: ConceptTable,
        text_looks_at_image: bool,
        self_attention: SelfAttentionKind,
        time_encoding: str,
    ) -> None:
        """
        Args:
            in_channels: channels of the pixel features.
            hidden_dim: channels C of the queries.
            num_queries: number of learnable queries.
            nheads, dim_feedforward, pre_norm: of the layers.
            dec_layers: number of layers; there is one prediction head more.
            num_prompt_layers: the first layers that have ProCA; negative: all.
            mask_dim: channels of the mask features.
            enforce_input_project: project the pixel features even where their channels fit.
            concepts: text embeddings of the categories.
            text_looks_at_image: see :class:`PromptEmbedding`.
            self_attention: who sees whom; prompts of expressions are always ``BLOCKED``, except
                with ``ALL``.
            time_encoding: ``"ArbitraryT"`` tells frames apart by their index in the video,
                ``"FixedT"`` by their place in the clip.
        """
        text_dim = concepts.embeddings.shape[1]
        super().__init__(
            hidden_dim=hidden_dim,
            num_heads=nheads,
            text_dim=text_dim,
            text_looks_at_image=text_looks_at_image,
        )
        if num_prompt_layers < 0:
            num_prompt_layers = dec_layers
        if not 1 <= num_prompt_layers <= dec_layers:
            raise ValueError(
                f"MODEL.UniVS.PROMPT_SELF_ATTN_LAYERS must be negative (all layers) or from 1 to "
                f"{dec_layers}, the number of decoder layers, but is {num_prompt_layers}."
            )
        if time_encoding not in TIME_ENCODINGS:
            raise ValueError(
                f"MODEL.UniVS.POSITION_EMBEDDING_SINE3D must be one of {', '.join(TIME_ENCODINGS)},"
                f" but is {time_encoding!r}."
            )
        self.num_queries = num_queries
        self.self_attention = self_attention
        self.time_encoding = time_encoding
        self.domains = concepts.domains
        self.register_buffer("concept_embeddings", concepts.embeddings, persistent=False)

        options = {"pre_norm": pre_norm}
        self.transformer_self_attention_layers = nn.ModuleList(
            SelfAttentionLayer(hidden_dim, nheads, **options) for _ in range(dec_layers)
        )
        self.transformer_cross_attention_layers = nn.ModuleList(
            CrossAttentionLayer(hidden_dim, nheads, **options) for _ in range(dec_layers)
        )
        self.transformer_ffn_layers = nn.ModuleList(
            FFNLayer(hidden_dim, dim_feedforward, **options) for _ in range(dec_layers)
        )
        # ProCA; published checkpoints call it self-attention. It is post-norm in every case.
        self.transformer_prompt_self_attention_layers = nn.ModuleList(
            CrossAttentionLayer(hidden_dim, nheads) for _ in range(num_prompt_layers)
        )
        self.decoder_norm = nn.LayerNorm(hidden_dim)
        self.query_feat = nn.Embedding(num_queries, hidden_dim)
        self.query_embed = nn.Embedding(num_queries, hidden_dim)
        self.level_embed = nn.Embedding(NUM_FEATURE_LEVELS, hidden_dim)
        projects = in_channels != hidden_dim or enforce_input_project
        self.input_proj = nn.ModuleList(
            nn.Conv2d(in_channels, hidden_dim, kernel_size=1) if projects else nn.Identity()
            for _ in range(NUM_FEATURE_LEVELS)
        )
        self.mask_embed = MLP(hidden_dim, hidden_dim, mask_dim, 3)
        self.vis2text_projection = nn.Linear(hidden_dim, text_dim)
        self.cls_temp = nn.Embedding(1, 1)
        self.reid_temp = nn.Embedding(1, 1)  # in checkpoints, but without any use (as published)
        self.apply(_initialise)
        for temperature in (self.cls_temp, self.reid_temp):
            nn.init.constant_(temperature.weight, math.log(1 / _INITIAL_TEMPERATURE))

    @classmethod
    def from_config(cls, cfg, in_channels: int) -> dict:
        options, univs = cfg.MODEL.MASK_FORMER, cfg.MODEL.UniVS
        if options.DEC_LAYERS < 2:
            raise ValueError(
                "MODEL.MASK_FORMER.DEC_LAYERS counts prediction heads, one more than layers: UniVS "
                f"needs at least 2, but it is {options.DEC_LAYERS}."
            )
        return {
            "in_channels": in_channels,
            "hidden_dim": options.HIDDEN_DIM,
            "num_queries": options.NUM_OBJECT_QUERIES,
            "nheads": options.NHEADS,
            "dim_feedforward": options.DIM_FEEDFORWARD,
            "dec_layers": options.DEC_LAYERS - 1,
            "num_prompt_layers": univs.PROMPT_SELF_ATTN_LAYERS,
            "pre_norm": options.PRE_NORM,
            "mask_dim": cfg.MODEL.SEM_SEG_HEAD.MASK_DIM,
            "enforce_input_project": options.ENFORCE_INPUT_PROJ,
            "concepts": concept_table_from_config(cfg),
            "text_looks_at_image": univs.TEXT_PROMPT_TO_IMAGE_ENABLE,
            "self_attention": _self_attention_kind(univs.MASKDEC_SELF_ATTN_MASK_TYPE),
            "time_encoding": univs.POSITION_EMBEDDING_SINE3D,
        }

    @property
    def concepts(self) -> ConceptTable:
        """The text embeddings that queries are classified with."""
        return ConceptTable(self.concept_embeddings, self.domains)

    def encode_memory(self, multi_scale: list[Tensor], frame_indices: Tensor) -> ClipMemory:
        """What queries attend to, and visual prompts are sampled from.

        Args:
            multi_scale: three maps ``(B * T, C, h, w)``, coarse to fine, frames of a clip adjacent.
            frame_indices: int64 ``(B, T)``, position of each frame in its video.
        """
        frame_indices = frame_indices.to(multi_scale[0].device)
        if self.time_encoding == "FixedT":
            one_clip = clip_frame_positions(frame_indices.shape[1], like=frame_indices.float())
            frame_positions = one_clip.expand(len(frame_indices), -1)
        else:
            frame_positions = indexed_frame_positions(frame_indices)
        features, positions = [], []
        for maps, project, embedding in zip(
            multi_scale, self.input_proj, self.level_embed.weight, strict=True
        ):
            maps = project(maps) + embedding[:, None, None]
            features.append(maps.unflatten(0, frame_indices.shape))
            # In float32 whatever the features are: the frequencies span four decades.
            encoding = sine_encoding_3d(
                frame_positions, *maps.shape[-2:], maps.shape[1], like=frame_positions
            )
            positions.append(encoding.to(maps))
        return ClipMemory(features, positions, frame_positions)

    def forward(
        self,
        memory: ClipMemory,
        mask_features: Tensor,
        prompts: Prompts | None = None,
        *,
        keep_auxiliary: bool | None = None,
    ) -> PromptedOutput:
        """
        Args:
            memory: of :meth:`encode_memory`; ``(B, T)`` frames.
            mask_features: ``(B * T, C_mask, H / 4, W / 4)``.
            prompts: what to segment besides what the learnable queries find.
            keep_auxiliary: also return the predictions of earlier heads; default: in training only.
        """
        keep_auxiliary = self.training if keep_auxiliary is None else keep_auxiliary
        mask_features = mask_features.unflatten(0, memory.frame_positions.shape)  # B T C_mask h w
        pixels = [tokens_of(maps).flatten(0, 1) for maps in memory.features]  # each B*T S C
        places = [tokens_of(maps).flatten(0, 1) for maps in memory.positions]
        sizes = memory.sizes

        queries, position, embedded = self._initial_queries(prompts, memory)  # B T Q C
        is_text = isinstance(prompts, ExpressionPrompts) and embedded is not None
        classifier = prompts.sentences if is_text else F.normalize(self.concept_embeddings, dim=-1)
        kind = self.self_attention
        if is_text and kind is not SelfAttentionKind.ALL:
            kind = SelfAttentionKind.BLOCKED

        heads = [self._predict(queries, mask_features, classifier, is_text, sizes[0])]
        layers = zip(
            self.transformer_cross_attention_layers,
            self.transformer_self_attention_layers,
            self.transformer_ffn_layers,
            strict=True,
        )
        for index, (cross_attention, self_attention, feed_forward) in enumerate(layers):
            level = index % NUM_FEATURE_LEVELS
            if index > 0:  # the first is part of the initial queries
                queries = self._prompt_attention(index, queries, position, embedded)
            queries = cross_attention(
                queries.flatten(0, 1),
                pixels[level],
                position.flatten(0, 1),
                places[level],
                open_empty_rows(heads[-1].attention_mask).flatten(0, 1),
            ).unflatten(0, memory.frame_positions.shape)
            queries = separated_self_attention(
                self_attention, queries, position, self.num_queries, kind
            )
            queries = feed_forward(queries)
            if not keep_auxiliary:
                heads.clear()
            next_size = sizes[(index + 1) % NUM_FEATURE_LEVELS]
            heads.append(self._predict(queries, mask_features, classifier, is_text, next_size))
        return PromptedOutput(
            final=heads[-1],
            auxiliary=heads[:-1],
            decoded=queries.transpose(1, 2),
            prompts=embedded,
        )

    def _initial_queries(
        self, prompts: Prompts | None, memory: ClipMemory
    ) -> tuple[Tensor, Tensor, PromptQueries | None]:
        """Learnable queries, and after them those of the prompts, which ProCA has seen.

        Returns:
            queries and their positions, ``(B, T, Q, C)``; and the prompts, None if there are none.
        """
        clips, frames = memory.frame_positions.shape
        queries = self.query_feat.weight.expand(clips, frames, -1, -1)
        position = self.query_embed.weight.expand(clips, frames, -1, -1)
        if prompts is None:
            return queries, position, None
        self._check(prompts, clips)
        if prompts.shape[1] == 0:
            return queries, position, None
        embedded = self.embed_prompts(prompts, memory, self.concept_embeddings)
        queries = torch.cat((queries, embedded.content.to(queries)), dim=2)
        learnable_position = position
        position = torch.cat((position, embedded.position.to(position)), dim=2)
        queries = self._prompt_attention(0, queries, position, embedded)
        # From here on the position of a prompt is its first content (as published).
        prompted = queries[:, :, self.num_queries :]
        return queries, torch.cat((learnable_position, prompted), dim=2), embedded

    def _prompt_attention(
        self, index: int, queries: Tensor, position: Tensor, prompts: PromptQueries | None
    ) -> Tensor:
        """ProCA layer ``index``, if there is one; learnable queries pass it untouched."""
        if prompts is None or index >= len(self.transformer_prompt_self_attention_layers):
            return queries
        learnable, prompted = queries.tensor_split([self.num_queries], dim=2)
        prompted = prompt_cross_attention(
            self.transformer_prompt_self_attention_layers[index],
            prompted,
            position[:, :, self.num_queries :],
            prompts,
        )
        return torch.cat((learnable, prompted), dim=2)

    def _predict(
        self,
        queries: Tensor,
        mask_features: Tensor,
        classifier: Tensor,
        is_text: bool,
        attention_size: tuple[int, int],
    ) -> PromptedPredictions:
        """Predict classes and masks, and where the next layer may look.

        Args:
            queries: ``(B, T, Q, C)``.
            mask_features: ``(B, T, C_mask, h, w)``.
            classifier: the normalised concept table ``(K, D)``, or sentences ``(B, P, D)``.
            is_text: the prompts are expressions.
            attention_size: ``(h', w')`` of the memory of the next layer.
        """
        queries = self.decoder_norm(queries)
        text_like = self.vis2text_projection(queries)
        if is_text:
            class_logits = text_like.mean(1) @ classifier.to(text_like).mT
        else:
            similarity = F.normalize(text_like, dim=-1).mean(1) @ classifier.to(text_like).T
            class_logits = self.cls_temp.weight.exp() * similarity
        embeddings = self.mask_embed(queries)
        if self.training:
            # The mask of a frame comes from the query of another, so that they learn to agree.
            order = torch.randperm(queries.shape[1], device=queries.device)
            embeddings = embeddings[:, order]
        mask_logits = torch.einsum("btqc,btchw->bqthw", embeddings, mask_features)
        prompt_similarity = None
        if is_text and not self.training:
            prompt_similarity = similarity_to_prompts(queries, self.num_queries)
            mask_logits = mix_with_learnable(mask_logits, prompt_similarity, self.num_queries)
        blocked = attention_mask(mask_logits, attention_size)  # B Q T*S
        return PromptedPredictions(
            class_logits=class_logits,
            mask_logits=mask_logits,
            queries=queries.transpose(1, 2),
            attention_mask=blocked.unflatten(2, (queries.shape[1], -1)).transpose(1, 2),
            prompt_similarity=prompt_similarity,
        )

    def _check(self, prompts: Prompts, clips: int) -> None:
        if prompts.shape[0] != clips:
            raise ValueError(f"There are prompts for {prompts.shape[0]} clips, but {clips} clips.")
        if isinstance(prompts, ExpressionPrompts):
            width, expected = prompts.sentences.shape[-1], self.concept_embeddings.shape[1]
            if width != expected:
                raise ValueError(
                    f"The text features of the expressions have {width} channels, but the model is "
                    f"made for {expected}: use the text encoder that the concept table "
                    "(MODEL.UniVS.CLIP_CLASS_EMBED_PATH) was made with."
                )


def similarity_to_prompts(queries: Tensor, num_learnable: int) -> Tensor:
    """Mean cosine over the frames of all queries with the prompt queries.

    Args:
        queries: ``(B, T, Q, C)``, learnable queries first.
        num_learnable: number of learnable queries.

    Returns:
        ``(B, Q, P)``.
    """
    directions = F.normalize(queries, dim=-1)
    return (
        torch.einsum("btqc,btpc->bqp", directions, directions[:, :, num_learnable:])
        / (queries.shape[1])
    )


def mix_with_learnable(
    mask_logits: Tensor, prompt_similarity: Tensor, num_learnable: int
) -> Tensor:
    """Average the mask of each prompt with that of the learnable query most like it.

    Args:
        mask_logits: ``(B, Q, T, h, w)``, learnable queries first.
        prompt_similarity: ``(B, Q, P)``.
        num_learnable: number of learnable queries.
    """
    learnable, prompted = mask_logits.tensor_split([num_learnable], dim=1)
    nearest = prompt_similarity[:, :num_learnable].argmax(1)  # B P
    partners = torch.stack([masks[index] for masks, index in zip(learnable, nearest, strict=True)])
    return torch.cat((learnable, (prompted + partners) / 2), dim=1)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.LayerNorm):
        nn.init.ones_(module.weight)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        nn.init.kaiming_uniform_(module.weight, a=1)
        nn.init.zeros_(module.bias)


def _self_attention_kind(value: str) -> SelfAttentionKind:
    try:
        return SelfAttentionKind("all" if value == "none" else value)
    except ValueError:
        known = ", ".join(kind.value for kind in SelfAttentionKind)
        raise ValueError(
            f"MODEL.UniVS.MASKDEC_SELF_ATTN_MASK_TYPE must be one of {known}, but is {value!r}."
        ) from None
