"""The report of a loading is short and complete."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from univs.checkpoint import LoadReport, Misshaped
from univs.checkpoint.report import group_names


def test_tensors_of_one_module_share_a_line():
    names = ["a.b.weight", "a.b.bias", "a.c", "top"]
    universe = [*names, "a.d.weight"]
    assert group_names(names, universe) == ["a.b.{weight,bias}", "a.c", "top"]


def test_a_whole_module_is_one_line():
    names = ["a.b.0.weight", "a.b.0.bias", "a.b.1.weight"]
    assert group_names(names, [*names, "a.c"]) == ["a.b.* (3)"]
    assert group_names(names, [*names, "a.b.2.weight", "a.c"]) == [
        "a.b.0.{weight,bias}",
        "a.b.1.weight",
    ]


@given(st.sets(st.text("ab.", min_size=1, max_size=6)), st.sets(st.text("ab.", max_size=6)))
def test_no_name_is_lost(names, universe):
    lines = group_names(sorted(names), universe)
    written = 0
    for line in lines:
        if line.endswith(")"):
            written += int(line.rpartition("(")[2][:-1])
        else:
            written += len(line.rpartition("{")[2].split(","))
    assert written == len(names)


def test_summary_says_everything():
    report = LoadReport(
        "model.pkl",
        loaded=["backbone.weight"],
        missing=["head.a.weight", "head.a.bias", "head.b"],
        unexpected=["old.weight"],
        misshaped=[
            Misshaped("class_embed.weight", (9, 256), (4, 256)),
            Misshaped("class_embed.bias", (9,), (4,)),
        ],
        ignored=["head.attn_mask"],
        recognised=("ImageNet backbone",),
    )
    assert report.summary().splitlines() == [
        "1 tensors loaded from model.pkl (read as: ImageNet backbone)",
        "3 missing in the file, so the model keeps its own:",
        "  head.* (3)",
        "1 in the file, but not in the model:",
        "  old.weight",
        "2 of another shape, so the model keeps its own:",
        "  class_embed.{weight,bias}: (9, 256), (9,) in the model, (4, 256), (4,) in the file",
        "1 ignored, of no use to this model",
    ]
    assert not report.is_complete
    assert LoadReport("model.pkl", loaded=["a"], ignored=["b"]).is_complete
