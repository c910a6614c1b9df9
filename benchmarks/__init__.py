"""Side-by-side measurements, each printing ratios; `results/` keeps what was measured, with command and commit.

Commands    `dataset` (make benchmark) a build beside what others need for the same texts; `train_step` a step beside a
            bare loop and Hugging Face's Trainer; `serve` the server beside llama-server; `gpu` (make gpu) what only a
            GPU can tell; `reading` what is read of real trees; `secrets` the search beside another commit's;
            `augmentation` variants beside a parse, `augmentation_examples` some to look at; `held_out` what a training
            reached; `memory_zpaq` the memory beside zpaq; `architectures` every family of models through the trainer;
            `proof_campaign` makes the corpora on which the defaults were chosen
Parts       of `dataset`: `contestants`, `corpora`; of `train_step`: `step_contestants`, `step_outcome`; of `serve`:
            `keys`, `served`; of `reading`: `reading_names`; of `architectures`: `architecture_shapes`; of several:
            `measure` runs processes, `outcome` tells what was found
            of `gpu`: `gpu_sections` in their order and `gpu_bench`, which they share; `gpu_right`, `gpu_paths` and
            `gpu_fit` are sections, `gpu_cases` and `gpu_memory` a run of its own, `gpu_candidates` and `gpu_cudnn`
            what it is tried with
"""
