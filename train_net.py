#!/usr/bin/env python
"""Train or evaluate any model of this project.

Train:     python train_net.py --num-gpus 8 --config-file configs/...yaml
Continue:  python train_net.py --num-gpus 8 --config-file configs/...yaml --resume
Evaluate:  python train_net.py --config-file configs/...yaml --eval-only MODEL.WEIGHTS model.pth
"""

from __future__ import annotations

import argparse
import sys

from univs._detectron2 import Detectron2Error  # importing univs chooses the Detectron2


def setup(arguments: argparse.Namespace):
    """Read the config, and prepare output folder, logging and seed."""
    import univs.data
    from detectron2.engine import default_setup
    from detectron2.utils import comm
    from detectron2.utils.logger import setup_logger
    from univs.config import load_config
    from univs.engine.trainer import use_available_device

    cfg = load_config(arguments.config_file, arguments.opts)
    univs.data.register_datasets()
    setup_logger(output=cfg.OUTPUT_DIR, distributed_rank=comm.get_rank(), name="univs")
    use_available_device(cfg)
    cfg.freeze()
    default_setup(cfg, arguments)
    return cfg


class ReportedError(Exception):
    """A mistake of the user, in one sentence that needs no traceback."""


def main(arguments: argparse.Namespace) -> object:
    """Run one process of a training or evaluation.

    Raises:
        ReportedError: something that the user can mend, unless tracebacks are asked for.
    """
    try:
        cfg = setup(arguments)
        from univs.engine.trainer import Trainer, evaluate

        if arguments.eval_only:
            return evaluate(cfg, resume=arguments.resume)
        trainer = Trainer(cfg)
        trainer.resume_or_load(resume=arguments.resume)
        return trainer.train()
    except (OSError, ValueError, KeyError, Detectron2Error) as error:
        if arguments.debug:
            raise
        # The text of a KeyError would be its message in quotation marks.
        raise ReportedError(error.args[0] if type(error) is KeyError else str(error)) from None


def command_line() -> int:
    """Parse the command line, launch all processes, turn user errors into one sentence."""
    try:
        from torch.multiprocessing.spawn import ProcessRaisedException

        from detectron2.engine import default_argument_parser, launch
    except Detectron2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    parser = default_argument_parser(__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of errors")
    # Detectron2's default is one port for all runs of a user, so that a second run would fail.
    parser.set_defaults(dist_url="auto")
    arguments = parser.parse_args()
    if arguments.num_machines > 1 and arguments.dist_url == "auto":
        parser.error("--num-machines needs --dist-url tcp://<address of the first machine>:<port>")
    try:
        launch(
            main,
            arguments.num_gpus,
            num_machines=arguments.num_machines,
            machine_rank=arguments.machine_rank,
            dist_url=arguments.dist_url,
            args=(arguments,),
        )
    except KeyboardInterrupt:
        print("Interrupted. Continue with --resume.", file=sys.stderr)
        return 130
    except ReportedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except ProcessRaisedException as error:
        # Of the error in another process there is only the text of its traceback.
        sentence = str(error).partition(f"{ReportedError.__name__}: ")[2]
        if not sentence:
            raise
        print(f"error: {sentence.strip()}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(command_line())
