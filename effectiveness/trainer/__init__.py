"""From a dataset to a model, in the order in which a run is read:

A run       `training` from top to bottom; `command_line` is how it was called and how it ends, `config` every setting,
            `config_file` where they are read, `defaults` what is left `auto`; `setup` opens device, dataset and rows
            and makes the batches, `starting` the model and the trainer, `resuming` says what may differ from before;
            `run_directory` is what lies on the disk, `checkpoint` what a run goes on from
Data        `rows` of a split, read by `row_parser`; `recut` puts them side by side, `epochs` says which are visited
            when, `documents` what a visit reads, `gaps` where it is cut, `batches` what a step holds,
            `micro_batches` its tensors; `vocabulary` is the tokenizer
Model       `models` by preset (`shapes`), name or path (`model_files`, `foreign_model`), with `adapters` (`lora`)
Training    `loop` decides when, `steps` makes one; `objective` is the loss, `attention` within documents,
            `optimizers` the update, `engines` one process or many, `devices` and `memory` the machine
Measuring   `held_out` is what is scored, `evaluate` how; `journal` writes `metrics`, `common.console` prints
The end     `finishing`: best weights, `complete` for held-out lines, `export`, `model_card`, `report`
Otherwise   `without_training`: --eval_only, --dry-run, --complete
"""
