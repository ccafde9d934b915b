"""A whole recipe in seconds: a user's small files, and the flags with which stages read them."""
import json
import os

import bpe
import ppo
import pretrain
import reward
import sft

TEXT = "".join(pretrain.say(fact) + "\n" for fact in pretrain.facts()[::4])
CHATS = [{"prompt": f"What is {i} + 1?", "completion": f"It is {i + 1}."} for i in range(9)]
RANKINGS = [{"prompt": c["prompt"], "chosen": c["completion"], "rejected": "No."} for c in CHATS]
STAGES = {"pretrain": pretrain, "sft": sft, "reward": reward, "ppo": ppo}
FLAGS = {"pretrain": "--data text.txt --steps 20 --batch 2 --block 16 --width 32 --depth 1 "
                     "--lr .01",
         "sft": "--data chats.jsonl --steps 60 --batch 2",
         "reward": "--data rankings.jsonl --steps 60 --batch 2",
         "ppo": "--data chats.jsonl --steps 16 --batch 4 --epochs 2 --max-tokens 4"}


def run(stage, more=""):
    """A stage in the working folder, on one user's data; the last of two equal flags counts."""
    STAGES[stage].main(f"{FLAGS[stage]} --device cpu {more}".split())


def make():
    """Fills the working folder: the user's files, and in out/ the tokenizer and all checkpoints."""
    with open("text.txt", "w", encoding="utf-8") as file:
        file.write(TEXT)
    for name, rows in (("chats.jsonl", CHATS), ("rankings.jsonl", RANKINGS)):
        with open(name, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    os.mkdir("out")
    bpe.BPE.train([TEXT], 320).save("out/tokenizer.json")
    for stage in STAGES:
        run(stage)


def said(text, ended=True):
    """What a model answered, for judges that need no ids."""
    return sft.Answer(text, ended, [])
