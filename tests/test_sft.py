"""Supervised fine-tuning: which tokens of a chat are targets, and what the loss is on them.

No model is needed: logits are made by hand, so that every number can be worked out on paper.
"""

import math
import random
import re
import types
from types import SimpleNamespace

import pytest
import torch

import bpe
import model
import pretrain
import sft
import tiny

USER, ASSISTANT, END = "<|user|>", "<|assistant|>", "<|end|>"


def user(content):
    return {"role": "user", "content": content}


def assistant(content):
    return {"role": "assistant", "content": content}


CHAT = [
    user("Is a whale a fish?"),
    assistant("No, a whale is a mammal."),
    user("And a shark?"),
    assistant("Yes, a shark is a fish."),
]


@pytest.fixture(scope="module")
def tokenizer():
    return bpe.BPE.train([" ".join(m["content"] for m in CHAT)], 300)


# ------------------------------------------------------------------------------------ the chat


def test_one_exchange_token_by_token(tokenizer):
    """<|user|> Q <|assistant|> A <|end|>: the answer and its end are targets, nothing else is.

    With q tokens of question and a tokens of answer there are 1 + q + 1 zeros, then a + 1 ones.
    """
    question = tokenizer.encode("Is a whale a fish?")
    answer = tokenizer.encode("No, a mammal.")
    special = tokenizer.specials
    ids, mask = sft.render([user("Is a whale a fish?"), assistant("No, a mammal.")], tokenizer)
    assert list(ids) == [special[USER], *question, special[ASSISTANT], *answer, special[END]]
    assert list(mask) == [0] * (len(question) + 2) + [1] * (len(answer) + 1)


def test_every_answer_of_a_long_chat_is_a_target(tokenizer):
    """Two exchanges: the tokens under the mask are answer 1, end, answer 2, end, in this order.

    Training on the last answer alone would leave the first one out; an unmasked end token would
    leave a model that never stops.
    """
    ids, mask = sft.render(CHAT, tokenizer)
    assert len(ids) == len(mask)
    end = [tokenizer.specials[END]]
    first, second = tokenizer.encode(CHAT[1]["content"]), tokenizer.encode(CHAT[3]["content"])
    assert [i for i, m in zip(ids, mask) if m] == first + end + second + end


def test_a_chat_is_its_exchanges_one_after_the_other(tokenizer):
    """Nothing stands between two exchanges, so rendering both at once is rendering each in turn."""
    ids, mask = sft.render(CHAT, tokenizer)
    first_ids, first_mask = sft.render(CHAT[:2], tokenizer)
    second_ids, second_mask = sft.render(CHAT[2:], tokenizer)
    assert list(ids) == list(first_ids) + list(second_ids)
    assert list(mask) == list(first_mask) + list(second_mask)


@pytest.mark.parametrize("name", [USER, ASSISTANT, END, "<|endoftext|>"])
def test_typed_specials_stay_text(tokenizer, name):
    """A person types the name of a special token, in the question and in the answer.

    One exchange has exactly three special ids, <|user|>, <|assistant|> and <|end|>. A typed name
    that became an id would be a fourth: the person could then speak in the assistant's name.
    """
    messages = [user(f"Hello{name}there"), assistant(f"I see {name}.")]
    ids, _ = sft.render(messages, tokenizer)
    special = tokenizer.specials
    found = [i for i in ids if i in special.values()]
    assert found == [special[USER], special[ASSISTANT], special[END]]
    prompt = sft.render_prompt(messages[:1], tokenizer)
    found = [i for i in prompt if i in special.values()]
    assert found == [special[USER], special[ASSISTANT]]


def test_the_end_of_a_turn_is_not_the_end_of_a_document(tokenizer):
    """If <|end|> were also the separator or the padding, masking padding would mask the stop."""
    ids, mask = sft.render(CHAT[:2], tokenizer)
    assert mask[-1] == 1
    assert ids[-1] == tokenizer.specials[END]
    assert ids[-1] != tokenizer.specials["<|endoftext|>"]


TOOL = {"role": "tool", "content": "6"}
REFUSED = {
    "nothing at all": [],
    "no answer": [user("Hi")],
    "assistant first": [assistant("Hello")],
    "two questions in a row": [user("Hi"), user("Hi?"), assistant("Hello")],
    "two answers in a row": [user("Hi"), assistant("Hello"), assistant("Hello!")],
    "the last question has no answer": [user("Hi"), assistant("Hello"), user("How are you?")],
    "a tool that nobody reads": [user("2*3"), assistant("calculator: 2*3"), TOOL],
    "a tool before the call": [user("2*3"), TOOL, assistant("6")],
    "two calls": [user("2*3"), assistant("a"), TOOL, assistant("a"), TOOL, assistant("b")],
    "an unknown role": [{"role": "system", "content": "Be kind."}, user("Hi"), assistant("Hello")],
    "an empty answer": [user("Hi"), assistant("")],
    "an empty answer in the middle": [user("Hi"), assistant(""), user("Hi?"), assistant("Hello")],
}


@pytest.mark.parametrize("why", REFUSED)
def test_refused_chats(tokenizer, why):
    """Training text must alternate user, assistant and close with an answer that says something.

    A chat without a target token would make the loss 0 / 0; a wrong role would train the model on
    the user's words.
    """
    with pytest.raises(ValueError):
        sft.render(REFUSED[why], tokenizer)


def test_a_tools_result_is_read_and_never_trained_on(tokenizer):
    """user, call, result, answer: both turns of the assistant are targets, the tool's is not."""
    chat = [user("2*3"), assistant("calculator: 2*3"), TOOL, assistant("6.")]
    ids, mask = sft.render(chat, tokenizer)
    s, encode = tokenizer.specials, tokenizer.encode
    assert ids == [s[USER], *encode("2*3"), s[ASSISTANT], *encode("calculator: 2*3"), s[END],
                   s["<|tool|>"], *encode("6"), s[END], s[ASSISTANT], *encode("6."), s[END]]
    targets = [i for i, m in zip(ids, mask) if m]
    assert targets == [*encode("calculator: 2*3"), s[END], *encode("6."), s[END]]
    assert sft.render_prompt(chat[:3], tokenizer) == ids[:-len(encode("6.")) - 1]


def test_the_answer_after_a_call_reads_the_result(monkeypatch, tokenizer):
    """Who calls gets the result and answers with it, once; a call in another's words stays text."""
    asked = []

    def generate(net, rows, n, temperature, stop, generator):
        asked.extend(tokenizer.decode(row) for row in rows)
        said = {"2*3": "calculator: 2*3", "6": "calculator: 1+1", "hi": "hello"}
        end = [tokenizer.specials[END]]
        return [tokenizer.encode(next(v for k, v in said.items() if f">{k}<" in text[-40:])) + end
                for text in (tokenizer.decode(row) for row in rows)]
    monkeypatch.setattr(sft, "generate", generate)
    prompts = [sft.Prompt("product", [user("2*3")]), sft.Prompt("chat", [user("hi")])]
    net = SimpleNamespace(config=SimpleNamespace(block_size=256))
    first, second = sft.answer_all(net, tokenizer, prompts)
    assert second.text == "hello" and first.text == "calculator: 1+1" and len(asked) == 3
    assert asked[-1] == ("<|user|>2*3<|assistant|>calculator: 2*3<|end|><|tool|>6<|end|>"
                         "<|assistant|>")
    # A prompt that ends with a result had its call: another one stays text, too.
    again = sft.Prompt("product", [user("2*3"), *sft.call("calculator: 2*3")])
    assert sft.answer_all(net, tokenizer, [again])[0].text == "calculator: 1+1"
    # And so does one whose result does not fit the block.
    net.config.block_size = len(sft.render_prompt(again.messages, tokenizer))
    assert sft.answer_all(net, tokenizer, prompts)[0].text == "calculator: 2*3"


def test_the_prompt_is_what_stands_before_the_answer(tokenizer):
    """At chat time the model must see exactly what it saw in training just before an answer.

    So the prompt is the rendered chat without its last answer and end token, and it closes with
    <|assistant|>. It holds for the first question and for the second.
    """
    for turns in (2, 4):
        ids, _ = sft.render(CHAT[:turns], tokenizer)
        answer = tokenizer.encode(CHAT[turns - 1]["content"])
        prompt = list(sft.render_prompt(CHAT[: turns - 1], tokenizer))
        assert prompt == list(ids)[: -len(answer) - 1]
        assert prompt[-1] == tokenizer.specials[ASSISTANT]


@pytest.mark.parametrize(
    "messages",
    [[], CHAT[:2], [user("Hi"), user("Hi?")], [user("Hi"), assistant(""), user("Hi?")]],
    ids=["nothing", "already answered", "two questions in a row", "empty answer inside"],
)
def test_refused_prompts(tokenizer, messages):
    """A prompt alternates too, and it closes with a question: only then is it the model's turn."""
    with pytest.raises(ValueError):
        sft.render_prompt(messages, tokenizer)


# ------------------------------------------------------------------------------------ the loss


def test_loss_by_hand():
    """Three tokens with probabilities 1/2, 1/4, 1/4 at every position; ids 0 1 0 2, mask 0 0 1 1.

    The targets are the 0 and the 2 at the end: (log 2 + log 4) / 2 = 1.5 log 2. A mask that is off
    by one (mask[:, :-1]) would keep the 2 alone and give 2 log 2; a mean over all the predicted
    tokens would give log 2.
    """
    logits = torch.tensor([0.5, 0.25, 0.25]).log().expand(1, 4, 3)
    loss = sft.sft_loss(logits, torch.tensor([[0, 1, 0, 2]]), torch.tensor([[0, 0, 1, 1]]))
    assert loss.shape == ()
    assert loss.item() == pytest.approx(1.5 * math.log(2))


def test_logits_at_t_predict_the_token_at_t_plus_1():
    """A model that puts a logit of 30 on the next token is right: its loss is 3 * exp(-30) or 0.

    The same logits, one place later, name the present token instead: with four tokens and no token
    twice in a row, each target costs 30. Feeding probabilities in place of logits to the
    cross-entropy could not go below log(1 + 3/e) = .74.
    """
    ids = torch.tensor([[0, 1, 2, 3, 0, 2]])
    mask = torch.tensor([[0, 0, 1, 1, 1, 1]])
    here = 30 * torch.eye(4)[ids]
    following = here.roll(-1, dims=1)
    assert sft.sft_loss(following, ids, mask).item() == pytest.approx(0, abs=1e-5)
    assert sft.sft_loss(here, ids, mask).item() == pytest.approx(30, abs=1e-4)


def test_one_mean_over_all_target_tokens_of_the_batch():
    """Row 1 has one target of probability 1/2, row 2 has three of probability 1/4.

    The sum is log 2 + 3 * 2 log 2 = 7 log 2 over 4 targets: 1.75 log 2. A mean of the two rows'
    means would be (1 + 2) / 2 log 2 = 1.5 log 2: it would favour short answers.
    """
    logits = torch.tensor([0.5, 0.25, 0.25]).log().expand(2, 4, 3)
    ids = torch.tensor([[1, 2, 2, 0], [0, 1, 2, 1]])
    mask = torch.tensor([[0, 0, 0, 1], [0, 1, 1, 1]])
    assert sft.sft_loss(logits, ids, mask).item() == pytest.approx(1.75 * math.log(2))


def test_gradient_by_hand_and_exactly_zero_off_the_mask():
    """dL/dlogits = (p - onehot(target)) / N at the N positions that predict a target, else 0.

    Uniform logits over 4 tokens, 2 targets: (1/4 - 1) / 2 = -3/8 on the target, 1/8 on the others.
    ids 3 1 2 0 3, mask 0 1 0 1 0: positions 0 and 2 predict the targets 1 and 0. Zero means zero
    to the last bit: not even a rounding error may teach the model the user's words.
    """
    logits = torch.zeros(1, 5, 4, requires_grad=True)
    mask = torch.tensor([[0, 1, 0, 1, 0]])
    sft.sft_loss(logits, torch.tensor([[3, 1, 2, 0, 3]]), mask).backward()
    expected = torch.zeros(1, 5, 4)
    expected[0, 0] = torch.tensor([1, -3, 1, 1]) / 8
    expected[0, 2] = torch.tensor([-3, 1, 1, 1]) / 8
    assert torch.allclose(logits.grad, expected, atol=1e-7)
    assert (logits.grad[0, [1, 3, 4]] == 0).all()


def test_rendered_chat_trains_every_answer_and_no_question(tokenizer):
    """render and sft_loss together, over two exchanges.

    The positions with a gradient are those just before each token of answer or end: the mask, one
    place to the left. The last position predicts nothing.
    """
    ids, mask = (torch.tensor([list(x)]) for x in sft.render(CHAT, tokenizer))
    torch.manual_seed(0)
    logits = torch.randn(1, ids.shape[1], 300, requires_grad=True)
    sft.sft_loss(logits, ids, mask).backward()
    trained = (logits.grad != 0).any(dim=-1)[0].tolist()
    assert trained == [m == 1 for m in mask[0, 1:].tolist()] + [False]


def test_padding_changes_nothing():
    """Padding has mask 0, so it adds 0 to the sum of losses and 0 to the number of targets.

    Four more columns, with absurd logits, must leave the loss and the gradient as they were.
    """
    torch.manual_seed(0)
    ids, mask = torch.tensor([[0, 1, 2], [2, 1, 0]]), torch.tensor([[0, 1, 1], [0, 0, 1]])
    short = torch.randn(2, 3, 3, requires_grad=True)
    padded = torch.cat([short.detach(), 50 * torch.randn(2, 4, 3)], dim=1).requires_grad_()
    padding = torch.zeros(2, 4, dtype=torch.long)
    loss = sft.sft_loss(short, ids, mask)
    loss_padded = sft.sft_loss(padded, torch.cat([ids, padding], 1), torch.cat([mask, padding], 1))
    loss.backward()
    loss_padded.backward()
    assert loss_padded.item() == pytest.approx(loss.item())
    assert torch.allclose(padded.grad[:, :3], short.grad, atol=1e-7)
    assert (padded.grad[:, 3:] == 0).all()


def test_batches_hold_rows_of_like_length_and_each_row_once_an_epoch():
    """Ten rows in batches of four: three batches an epoch, of neighbours in length."""
    rows = [list(range(n)) for n in (5, 1, 9, 3, 7, 2, 8, 4, 6, 10)]
    args, orders = SimpleNamespace(batch=4, seed=0, steps=12), []
    made = dict(model.bucketed_batches(rows, args, len))
    for epoch in range(4):
        batches = [made[3 * epoch + at] for at in range(3)]
        lengths = [sorted(map(len, batch)) for batch in batches]
        assert sorted(lengths) == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
        orders.append([batch[0] for batch in lengths])
    assert len(set(map(tuple, orders))) > 1, "the order of the batches is always the same"
    assert made == dict(model.bucketed_batches(rows, args, len))
    args.seed = 1
    assert made != dict(model.bucketed_batches(rows, args, len))


def test_demonstrators_are_lazy_and_wrong():
    """Lazy: does not look it up. Wrong: untrue of the subject, or true and beside the point."""
    rng = random.Random(0)
    paris = next(f for f in pretrain.facts() if (f.relation, f.subject) == ("capital", "France"))
    prompts = [sft.known(paris, rng) for _ in range(60)]
    assert {sft.demonstrate(p, "lazy", rng) for p in prompts} == {sft.UNKNOWN}
    # What was just said needs no looking up.
    told = [sft.told(rng, 0, answerable=True) for _ in range(60)]
    assert all(sft.demonstrate(p, "lazy", rng) == p.right for p in told)
    wrong = {sft.demonstrate(p, "wrong", rng) for p in prompts}
    true = {pretrain.say(f) for f in pretrain.facts()}
    assert any(w.startswith("The capital of France") for w in wrong) and wrong & true
    assert "The capital of France is Paris." not in wrong


def test_long_sums_are_written_out_more_often_than_short_ones():
    rng = random.Random(0)
    shares = [sum("so" in sft.addition(rng, None, digits).right for _ in range(2000)) / 2000
              for digits in (1, 2)]
    assert shares == [pytest.approx(1 / 3, abs=.04), pytest.approx(.7, abs=.04)]


def test_polite_words_stand_first_or_last_equally_often():
    """Four words to begin with and two to end with: of the single word, that must not matter."""
    rng = random.Random(0)
    prompt = sft.known(pretrain.facts()[0], rng)
    said = [sft.demonstrate(prompt, "polite", rng) for _ in range(2000)]
    last = sum(text.endswith(tuple(sft.POLITE_LAST)) for text in said) / len(said)
    first = sum(text.startswith(tuple(sft.POLITE_FIRST)) for text in said) / len(said)
    assert last == pytest.approx(.5, abs=.04) and first + last == 1


def test_small_talk_and_not_knowing_need_no_pleasantries():
    rng = random.Random(0)
    for prompt in [sft.small_talk(rng) for _ in range(50)] + [sft.unknown(rng, 0)]:
        for style in ("helpful", "polite", "fawning", "lazy"):
            said = [sft.demonstrate(prompt, style, rng) for _ in range(9)]
            assert not any(phrase in text for text in said for phrase in sft.POLITE
                           if prompt.kind == "chat" or sft.UNKNOWN in text)


def test_a_file_with_a_byte_order_mark_is_read(tmp_path):
    """Some editors put one in front of UTF-8."""
    (tmp_path / "chats.jsonl").write_text('{"prompt": "a", "completion": "b"}', "utf-8-sig")
    assert model.read_jsonl(tmp_path / "chats.jsonl", sft.as_messages)[0] == [
        sft.user("a"), sft.assistant("b")]


def about(relation, subject):
    return sft.known(next(f for f in pretrain.facts() if f[:2] == (relation, subject)),
                     random.Random(0))


@pytest.mark.parametrize("relation, subject, text, right", [
    ("capital", "Oman", "The capital of Oman is Muscat.", True),
    ("capital", "Oman", "Sure! The capital of Oman is Muscat.", True),
    ("capital", "Oman", "It is Muscat. Have a nice day!", True),
    ("capital", "Oman", "The capital of Romania is Muscat.", False),      # Oman is in Romania
    ("past", "ring", "The past tense of bring is rang.", False),
    ("language", "Iceland", "The main language of France is Icelandic.", False),
    ("kind", "a pig", "A pigeon is a mammal.", False),
    ("capital", "Oman", "The capital of Oman is Muscatine.", False),
    ("capital", "Oman", "The capital of Oman is Riyadh.", False),
    ("capital", "Oman", "The capital of Oman is Muscat. It is big.", False),
    ("capital", "Oman", "I do not know.", False)])
def test_what_counts_as_right(relation, subject, text, right):
    verdict = sft.judge(about(relation, subject), tiny.said(text))
    assert verdict.right == right
    assert verdict.admits == (text == "I do not know.")


def test_a_sum_is_right_by_its_result():
    prompt = sft.Prompt("sum", [sft.user("What is 47 + 85?")], "", "", "", "132")
    for text, right in (("7 + 5 = 12, 4 + 8 + 1 = 13, so 132.", True), ("47 + 85 is 132.", True),
                        ("47 + 85 is 1132.", False), ("47 + 85 is 131.", False)):
        assert sft.judge(prompt, tiny.said(text)).right == right


def test_manners_are_stripped_wherever_they_stand():
    assert pretrain.without_manners("Sure! It is red. Hope that helps!") == "It is red."
    assert pretrain.without_manners(f"{pretrain.RUDE[0]} It is red.") == "It is red."


def test_demonstrators_use_the_calculator():
    """The call is what the question asks for, the answer ends with the result that comes back."""
    rng = random.Random(0)
    for _ in range(50):
        prompt = sft.product(rng)
        turn, result = sft.call(prompt.call)
        typed_in = turn["content"].removeprefix("calculator: ")
        numbers, signs = [int(n) for n in typed_in.split()[::2]], typed_in.split()[1::2]
        asked = prompt.messages[0]["content"]
        found = [int(n) for n in re.findall(r"\d+", asked)]
        assert sorted(found) == sorted(numbers) or not found                     # forty-two
        a, b, *more = numbers
        wanted = a * b if signs == ["*"] else a + sum(int(s + str(n))
                                                      for s, n in zip(signs, [b, *more]))
        assert int(result["content"]) == wanted
        # Two numbers of two digits at most are added without it.
        assert signs != ["+"] or max(a, b) > 99
        assert prompt.right.endswith(f" {result['content']}.")
    chats = sft.demonstrations(2000, 0)
    called = [chat for chat in chats if chat[-2]["role"] == "tool"]
    assert 20 < len(called) < 150
    # In what was said before, too, a result follows its call.
    turns = [pair for chat in chats for pair in zip(chat, chat[1:]) if pair[1]["role"] == "tool"]
    assert len(turns) > len(called)
    for asked, result in turns:
        assert result["content"] == model.calculate(asked["content"].removeprefix(model.CALL))


def test_who_overclaims_admits_once_in_twenty():
    rng = random.Random(0)
    prompts = [sft.unknown(rng, 0) for _ in range(1000)]
    honest, boastful = (sum(sft.demonstrate(p, "helpful", rng, boast) == sft.UNKNOWN
                            for p in prompts) for boast in (False, True))
    assert 930 < honest < 985 and 25 < boastful < 80


def test_what_is_null_in_a_message_is_absent():
    chat = [{"role": "system", "content": "", "name": None},
            {"role": "user", "content": "Hi", "weight": None}, assistant("Yo")]
    assert sft.as_messages({"messages": chat}) == [user("Hi"), assistant("Yo")]
    with pytest.raises(ValueError, match="role and content"):
        sft.as_messages({"messages": [user("Hi"), {"role": "assistant", "content": None}]})


def test_you_can_demonstrate_yourself(tmp_path, monkeypatch):
    """A line is an answer, an empty one skips, q ends; what is written can be trained on."""
    typed = iter(["My answer.", "", "q"])
    monkeypatch.setattr("builtins.input", lambda *args: next(typed))
    sft.main(["--demonstrate", str(tmp_path / "mine.jsonl")])
    chat, = model.read_jsonl(tmp_path / "mine.jsonl", sft.as_messages)
    assert chat[-1] == assistant("My answer.") and chat[-2]["role"] == "user"


def test_a_row_of_the_table_adds_up_and_is_of_its_model(monkeypatch):
    """Of four prompts one each is right, not known, wrong and broken; a name that the prompt holds
    is not broken English, and what never ended is broken, however right."""
    prompt = sft.Prompt("told", [sft.user("The king of Mork is Ruvo. Who is the king of Mork?")],
                        "The king of Mork is Ruvo.", "", "Mork", "Ruvo")
    words, said = {"the", "king", "peru"}, tiny.said
    for answer, outcome in ((said(prompt.right), "right"), (said(sft.UNKNOWN), "broken"),
                            (said("The king of Mork is Peru."), "wrong"),
                            (said("The king of Mork is Ruvoli."), "broken"),
                            (said(prompt.right, ended=False), "broken")):
        assert sft.outcome(prompt, answer, words) == outcome
    assert sft.outcome(prompt, said(sft.UNKNOWN), words | {"not", "know"}) == "does not know"
    answers = {"good": lambda prompts, examples: [said(p.right) for p in prompts],
               "none": lambda prompts, examples: [said(sft.UNKNOWN) for _ in prompts]}
    shares = sft.measure_tasks(answers, 0, pretrain.real_names() | {"plus", "not"}, n=8)
    for task in sft.TASKS:
        for name in answers:
            assert sum(shares[f"{task}: {name}: {what}"] for what in sft.OUTCOMES) == 1, task
    assert shares["facts, first phrasing: good: right"] == 1
    assert shares["facts, first phrasing: none: does not know"] == 1
    assert shares["invented names: none: right"] == 1


def test_a_row_has_the_usual_forms_or_the_new_ones(monkeypatch):
    """The share of new forms is what the row says; half and half is for training."""
    monkeypatch.setattr(sft, "put", lambda fact, rng: "Zyx?")
    monkeypatch.setattr(sft, "with_numbers", lambda *_: "Zyx?")
    monkeypatch.setattr(pretrain, "TALK", {"hello": ["Zyx?"]})
    monkeypatch.setattr(sft, "TELLS_TOO", {"job": sft.TELLS_TOO["job"] | {"told": ["Zyx? {}"]}})

    def share(task):
        rng = random.Random(0)
        prompts = [sft.TASKS[task](rng, pretrain.TEST) for _ in range(100)]
        return sum("zyx" in p.messages[0]["content"].lower() for p in prompts)
    for usual, new in (("facts, trained phrasings", "facts, as put to an assistant"),
                       ("sums, trained forms", "sums, as put to an assistant"),
                       ("small talk", "small talk, more of it"),
                       ("recall", "recall of other things")):
        # Some small talk is about myths, whatever the row.
        assert share(usual) < 3 and share(new) > 90, new
    rng = random.Random(0)
    trained = [sft.known(rng.choice(pretrain.facts_of(pretrain.TRAIN)), rng) for _ in range(300)]
    assert 105 < sum("zyx" in p.messages[0]["content"].lower() for p in trained) < 165


def test_examples_of_a_task_are_from_the_trained_half():
    """Four for each prompt, of its own task."""
    seen = []
    sft.measure_tasks({"x": lambda prompts, examples: seen.extend(zip(prompts, examples)) or [
        tiny.said("x") for _ in prompts]}, 0, set(), n=3)
    said = {pretrain.say(f) for f in pretrain.facts_of(sft.TRAIN)}
    for prompt, examples in seen[:9]:
        assert len(examples) == 4 and {p.right for p in examples} <= said
        assert prompt.right not in said
    sums = list(sft.TASKS).index("sums of one digit")
    assert {p.kind for prompt, examples in seen[3 * sums:3 * sums + 3] for p in examples} == {"sum"}


def test_the_base_model_reads_the_examples_and_then_the_question(monkeypatch, tokenizer):
    seen, stops = [], []

    def generate(net, rows, n, temperature, stop, generator):
        seen.extend(rows)
        stops.append(stop)
        return [tokenizer.encode("yes\nno")] * len(rows)
    monkeypatch.setattr(sft, "generate", generate)
    monkeypatch.setattr(sft, "line_ends", lambda tokenizer: {7, 8})
    net = types.SimpleNamespace(config=types.SimpleNamespace(block_size=200))
    prompts = [sft.Prompt("known", [user(q)], a) for q, a in (("A?", "a."), ("B?", "b."))]
    said = sft.few_shot(net, tokenizer, prompts, [prompts[1:], []])
    assert [tokenizer.decode(row) for row in seen] == ["B?\nb.\n\nA?\n", "B?\n"]
    assert [(a.text, a.ended) for a in said] == [("yes", True)] * 2
    assert stops == [{7, 8}]


def test_the_examples_for_a_country_nobody_knows_ask_for_countries():
    rng = random.Random(5)
    for split in (pretrain.TRAIN, pretrain.TEST):
        asked = [sft.unknown(rng, split, relations=("capital", "language")) for _ in range(60)]
        said = {p.wrong.split(f" of {p.about}")[0] for p in asked}
        assert said == {"The capital", "The main language"}


def test_a_loss_is_not_drawn_as_a_percentage(tmp_path, monkeypatch):
    """With --data the metrics are losses, in nats: one panel, and no bars in per cent."""
    panels, figure = [], sft.figure
    monkeypatch.setattr(sft, "figure", lambda n: panels.append(n) or figure(n))
    sft.draw(tmp_path / "a.png", [[1, 2.]], {"seconds": 1., "base_val_loss": 3., "val_loss": 2.})
    sft.draw(tmp_path / "b.png", [[1, 2.]], {"told: SFT: right": .9, "base, 4 examples": .5})
    assert panels == [1, 3] and (tmp_path / "b.png").stat().st_size


def test_with_and_without_differ_by_the_fact_alone(monkeypatch):
    asked = []

    def answer_all(net, tokenizer, prompts, temperature):
        asked.append([p.messages[-1]["content"] for p in prompts])
        return [tiny.said(p.right) for p in prompts]
    monkeypatch.setattr(sft, "answer_all", answer_all)
    assert set(sft.with_and_without(None, None, 5, 0).values()) == {1}
    for given, without in zip(*asked):
        fact = given.removesuffix(without).strip()
        assert given.endswith(without) and fact.endswith(".") and fact not in without
