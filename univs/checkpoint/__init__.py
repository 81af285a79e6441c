"""Loading weights of any supported origin safely, and saving them.

from univs.checkpoint import load_weights

print(load_weights(model, "model_final_94dc52.pkl").summary())
"""

from univs.checkpoint.checkpointer import UnivsCheckpointer
from univs.checkpoint.errors import CheckpointFileError
from univs.checkpoint.export import Export, export_safetensors, export_torch
from univs.checkpoint.load import load_tensors, load_weights
from univs.checkpoint.provenance import Provenance, provenance_of
from univs.checkpoint.report import CheckpointMismatchError, LoadReport, Misshaped
from univs.checkpoint.safe_reader import CheckpointFile, read_checkpoint, read_object
from univs.checkpoint.transfer import Transfer, to_univs

__all__ = [
    "CheckpointFile",
    "CheckpointFileError",
    "CheckpointMismatchError",
    "Export",
    "LoadReport",
    "Misshaped",
    "Provenance",
    "Transfer",
    "UnivsCheckpointer",
    "export_safetensors",
    "export_torch",
    "load_tensors",
    "load_weights",
    "provenance_of",
    "read_checkpoint",
    "read_object",
    "to_univs",
]
