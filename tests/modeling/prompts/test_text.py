"""Tokenizer, text towers, cleaning, and the encoder without weights."""

from __future__ import annotations

import gzip
import re

import pytest
import torch

from reference.cases import manifest
from reference.deterministic_weights import fill
from univs.config import get_cfg
from univs.modeling.prompts.clip_text import TOWERS, ClipTextEncoder, ClipTextTower, text_tower
from univs.modeling.prompts.hashed_text import HashedTextEncoder
from univs.modeling.prompts.text_cleaning import (
    TEMPLATES,
    clean_class_name,
    clean_expression,
    in_templates,
)
from univs.modeling.prompts.text_encoder import text_encoder_from_config
from univs.modeling.prompts.tokenizer import (
    CONTEXT_LENGTH,
    ClipTokenizer,
    _byte_letters,
    find_vocabulary,
)


@pytest.fixture
def tokenizer(tmp_path) -> ClipTokenizer:
    """A tokenizer of a few merges, with every byte as a fallback."""
    merges = ["t h", "th e</w>", "c a", "ca t</w>", "r u", "ru n"]
    path = tmp_path / "vocabulary.txt.gz"
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("\n".join(["version", *merges]))
    return ClipTokenizer(path)


@pytest.fixture
def published_tokenizer() -> ClipTokenizer:
    try:
        return ClipTokenizer()
    except FileNotFoundError as error:
        pytest.skip(f"CLIP's vocabulary is not on this computer: {error}")


@pytest.mark.golden("univs", "clip_tokenizer")
def test_tokens_equal_the_original(case, published_tokenizer):
    for name, texts, is_class in (
        ("expression_tokens", case.meta["expressions"], False),
        ("class_tokens", case.meta["class_names"], True),
    ):
        stored = case.arrays[name].shape[1]
        step = (case.meta["config"]["templates"] - 1) // (stored - 1)  # the last one is stored, too
        tokens = [published_tokenizer(in_templates(x, is_class=is_class)[::step]) for x in texts]
        case.check(name, torch.stack(tokens).int())


@pytest.mark.golden("univs", "clip_tokenizer")
def test_cleaned_text_equals_the_original(case):
    for clean, name in (
        (clean_expression, "clean_string_exp"),
        (clean_class_name, "clean_strings"),
    ):
        expected = case.meta["cleaned"][name]
        assert [clean(text) for text in case.meta["expressions"][: len(expected)]] == expected


@pytest.mark.slow
@pytest.mark.golden("univs", "clip_text_encoder")
@torch.no_grad()
def test_text_features_equal_the_original(case):
    sizes = case.meta["config"]
    tower = ClipTextTower(width=sizes["width"], embed_dim=sizes["embed_dim"])
    shapes = manifest("univs")["clip_text_encoder_rn50x4"]["state_dict"]
    assert {name: list(tensor.shape) for name, tensor in tower.state_dict().items()} == shapes
    fill(tower).eval()
    features = tower(case.tensor("tokens").long())
    step = -(-CONTEXT_LENGTH // case.arrays["word_features"].shape[1])
    case.check("word_features", features.words[:, ::step])
    case.check("sentence_features", features.sentences)
    templates = tower(case.tensor("tokens_templates").long())
    case.check("sentence_features_templates", templates.sentences)
    try:
        encoder = ClipTextEncoder(tower, ClipTokenizer())
    except FileNotFoundError:
        return  # the rest needs CLIP's vocabulary
    prompt = encoder.encode_expressions([case.meta["expressions"][2]])
    frames = case.arrays["prompt_word_features"].shape[1]
    words = prompt.words[0, :: -(-CONTEXT_LENGTH // case.arrays["prompt_word_features"].shape[0])]
    case.check("prompt_word_features", words[:, None].expand(-1, frames, -1))
    case.check("prompt_sentence_features", prompt.sentences.expand(frames, -1))


def test_frequent_pairs_are_merged_first(tokenizer):
    the, cat = tokenizer.encode("the"), tokenizer.encode("cat")
    assert len(the) == len(cat) == 1
    assert tokenizer.encode("The  CAT") == the + cat
    assert len(tokenizer.encode("running")) == len(["run", "n", "i", "n", "g</w>"])


def test_contractions_numbers_and_signs_are_words_of_their_own(tokenizer):
    letters = list(_byte_letters().values())
    ends = {letter: 256 + letters.index(letter) for letter in "s12!'"}
    assert tokenizer.encode("s12") == [ends["s"], ends["1"], ends["2"]]
    assert tokenizer.encode("!'s") == [letters.index("!"), ends["'"], ends["s"]]
    assert tokenizer.encode("s's") == [ends["s"], letters.index("'"), ends["s"]]


def test_curly_quotes_entities_and_wide_letters_are_plain(tokenizer):
    assert tokenizer.encode("\u2018the\u2019 &amp; \uff43at") == tokenizer.encode("'the' & cat")


def test_any_text_has_tokens(tokenizer):
    assert len(tokenizer.encode("\u6771 \U0001f642")) == 7  # three and four bytes


def test_long_text_is_cut_without_an_end(tokenizer):
    short, long = tokenizer(["cat", "cat " * 100])
    assert short.tolist()[2:4] == [tokenizer.end_token, 0]
    assert long[0] == tokenizer.start_token
    assert tokenizer.end_token not in long
    assert long.shape == (CONTEXT_LENGTH,)


def test_a_missing_vocabulary_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIVS_CACHE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("univs.modeling.prompts.tokenizer.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="set UNIVS_CACHE to the folder"):
        find_vocabulary()
    with pytest.raises(FileNotFoundError, match="There is no vocabulary file"):
        find_vocabulary(tmp_path / "missing.gz")


def test_the_vocabulary_is_found_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("UNIVS_CACHE", str(tmp_path))
    (tmp_path / "bpe_simple_vocab_16e6.txt.gz").write_bytes(b"")
    assert find_vocabulary().parent == tmp_path


def test_another_file_is_no_vocabulary(tmp_path):
    path = tmp_path / "text.gz"
    path.write_text("not gzip")
    with pytest.raises(ValueError, match="text.gz is not a vocabulary file"):
        ClipTokenizer(path)


def test_templates_are_those_of_the_published_models():
    assert len(TEMPLATES) == len(set(TEMPLATES)) == 81
    assert all(template.count("{}") == 1 for template in TEMPLATES)


@torch.no_grad()
def test_padding_changes_no_sentence(tokenizer):
    torch.manual_seed(0)
    tower = ClipTextTower(width=64, embed_dim=16, num_layers=2, vocabulary_size=1000).eval()
    encoder = ClipTextEncoder(tower, tokenizer)
    features = encoder.encode_expressions(["the cat", "a cat that runs"])
    assert features.words.shape == (2, CONTEXT_LENGTH, 16)
    expected = tower(tokenizer(in_templates("the cat", is_class=False))).sentences.mean(0)
    torch.testing.assert_close(features.sentences[0], expected)
    assert encoder.encode_expressions([]).words.shape == (0, CONTEXT_LENGTH, 16)


def test_weights_of_another_model_are_refused():
    with torch.device("meta"):
        tensors = ClipTextTower(width=512, embed_dim=512).state_dict()
    with pytest.raises(ValueError, match="set MODEL.UniVS.TEXT_ENCODER to the CLIP model"):
        text_tower(tensors, "RN50x4", "a.pth")
    with pytest.raises(ValueError, match="lacks 149 of the 149 tensors"):
        text_tower({}, "RN50x4", "a.pth")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("MODEL.UniVS.TEXT_ENCODER", "RN51"), "must be hashed or one of"),
        (("MODEL.UniVS.TEXT_ENCODER", "RN50"), "TEXT_DIM is 640, .* have 1024 channels"),
    ],
)
def test_wrong_encoders_are_named(options, message):
    cfg = get_cfg()
    cfg.merge_from_list(list(options))
    with pytest.raises(ValueError, match=message):
        text_encoder_from_config(cfg)


def test_the_tower_is_read_when_it_is_first_used(tmp_path):
    cfg = get_cfg()
    cfg.MODEL.CLIP.WEIGHTS = str(tmp_path / "missing.pth")
    encoder = text_encoder_from_config(cfg)
    with pytest.raises(FileNotFoundError, match=re.escape("MODEL.CLIP.WEIGHTS: there is no file")):
        encoder.encode_expressions(["a cat"])


def test_every_tower_has_heads_of_64_channels():
    assert all(tower.width % 64 == 0 for tower in TOWERS.values())


def test_hashed_texts_share_what_their_words_share():
    encoder = HashedTextEncoder(200, context_length=4)
    features = encoder.encode_expressions(["the red circle", "Circle!", "a blue star", ""])
    assert features.words.shape == (4, 4, 200)
    assert torch.equal(features.words[0, 2], features.words[1, 0])
    assert not features.words[0, 3].any()
    assert not features.sentences[3].any()
    classes = encoder.encode_classes(["circle", "star_2"])
    torch.testing.assert_close(classes[0], features.sentences[1])
    close, far = torch.cosine_similarity(features.sentences[0], classes)
    assert close > 0.4
    assert abs(far) < 0.3


def test_hashed_texts_are_the_same_in_every_run():
    (row,) = HashedTextEncoder(3).encode_classes(["circle"])
    expected = torch.tensor([0.064659, 0.086512, 0.174886])
    torch.testing.assert_close(row, expected, atol=1e-5, rtol=0)


def test_long_texts_are_cut_and_names_without_words_refused():
    encoder = HashedTextEncoder(8, context_length=2)
    cut = encoder.encode_expressions(["one two three"])
    torch.testing.assert_close(cut.sentences[0], cut.words[0].mean(0))
    with pytest.raises(ValueError, match="'42' has no words"):
        encoder.encode_classes(["42"])
