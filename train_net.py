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


def main(arguments: argparse.Namespace) -> object:
    """Run one process of a training or evaluation."""
    cfg = setup(arguments)
    from univs.engine.trainer import Trainer, evaluate

    if arguments.eval_only:
        return evaluate(cfg, resume=arguments.resume)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=arguments.resume)
    return trainer.train()


def command_line() -> int:
    """Parse the command line, launch all processes, turn user errors into one sentence."""
    try:
        from detectron2.engine import default_argument_parser, launch
    except Detectron2Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 1

    parser = default_argument_parser(__doc__)
    parser.add_argument("--debug", action="store_true", help="show the traceback of errors")
    arguments = parser.parse_args()
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
    except (OSError, ValueError, KeyError, Detectron2Error) as error:
        if arguments.debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(command_line())
