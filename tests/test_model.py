"""The GPT: attention, causality, the key/value cache, sampling, checkpoints."""
import math
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

import bpe
import model


def tiny(vocab=17, seed=0):
    """A GPT whose output projections are not zero, as after some training."""
    torch.manual_seed(seed)
    net = model.GPT(model.GPTConfig(vocab, n_layer=2, n_head=2, n_embd=16, block_size=24))
    for p in net.parameters():
        torch.nn.init.normal_(p, std=.3)
    net.dtype = torch.float32
    return net


@pytest.mark.parametrize("seconds, best", [
    ((1, .5), torch.bfloat16), ((1, .69), torch.bfloat16), ((2, 1.5), torch.float32),
    ((1, .9), torch.float32), ((1, 2), torch.float32), ((1, 50), torch.float32)])
def test_a_processor_computes_in_bf16_where_that_is_clearly_faster(monkeypatch, seconds, best):
    cost, clock = dict(zip((torch.float32, torch.bfloat16), seconds)), [0.0]

    class Square:
        def __init__(self, rows, columns, dtype):
            self.cost = cost[dtype]

        def __matmul__(self, other):
            clock[0] += self.cost
    monkeypatch.setattr(model.torch, "ones", Square)
    monkeypatch.setattr(model.time, "perf_counter", lambda: clock[0])
    threads = []
    monkeypatch.setattr(model.torch, "get_num_threads", lambda: 7)
    monkeypatch.setattr(model.torch, "set_num_threads", threads.append)
    assert model.best_dtype.__wrapped__(torch.device("cpu")) == best
    assert threads == [1, 7]                                 # tried on one, and given back
    # Twenty times each, so that no other program decides; three, where there can be no doubt.
    assert round(clock[0] / sum(seconds)) == (3 if seconds[1] == 50 else 20)


def test_who_names_a_dtype_waits_for_no_trial(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "best_dtype", lambda device: pytest.fail("tried"))
    for name, dtype in (("bf16", torch.bfloat16), ("fp32", torch.float32)):
        args = model.arguments("", "").parse_args(["--out", str(tmp_path), "--dtype", name])
        args.device = "cpu"
        assert model.start(args)[2] == dtype


def test_equal_prompts_are_read_once_and_answered_apart(monkeypatch):
    """Each has random numbers of its own, as if it had been read alone."""
    net, read, hidden = tiny(seed=1), [], model.GPT.hidden

    def counted(self, ids, cache=None):
        read.append(len(ids))
        return hidden(self, ids, cache)
    monkeypatch.setattr(model.GPT, "hidden", counted)
    prompts = [[1, 2, 3], [4, 5], [1, 2, 3], [1, 2, 3]]
    new = model.generate(net, prompts, 6, 1.0, None, torch.Generator().manual_seed(0))
    assert read == [2] + [4] * 5 and new[0] != new[2] != new[3]
    # A prompt that differs in its first token alone changes nothing for the others.
    other = model.generate(net, [*prompts[:3], [7, 2, 3]], 6, 1.0, None,
                           torch.Generator().manual_seed(0))
    assert other[:3] == new[:3]


def test_attention_equals_torch():
    q, k, v = torch.randn(3, 2, 2, 7, 8)
    mask = torch.full((7, 7), -torch.inf).triu(1)
    want = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    assert torch.allclose(model.attend(q, k, v, mask), want, atol=1e-5)


def test_a_block_adds_attention_then_squared_relu():
    """LayerNorm without weights by its formula; what is below zero adds nothing."""
    net, x, ids = tiny(), torch.randn(2, 5, 16), torch.randint(0, 17, (2, 5))
    block, where = net.blocks[0], (ids, net.angle[:5], net.mask[:5, :5])

    def norm(x):
        return (x - x.mean(-1, True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
    y = x + block.attention(norm(x), *where)
    up = norm(y) @ block.up.weight.T
    want = y + torch.where(up > 0, up * up, 0) @ block.down.weight.T
    assert torch.allclose(block(x, *where), want, atol=1e-5)


def test_a_value_has_an_addend_of_its_token_alone():
    """Where all keys fit all queries alike and x has no say, attention is the mean of those."""
    net, ids = tiny(), torch.randint(0, 17, (2, 5))
    block = net.blocks[0]
    block.qkv.weight.data.zero_()
    block.out.weight.data = torch.eye(16)
    y = block.attention(torch.randn(2, 5, 16), ids, net.angle[:5], net.mask[:5, :5])
    want = block.value(ids).cumsum(1) / torch.arange(1, 6)[:, None]
    assert torch.allclose(y, want, atol=1e-5)
    assert not model.GPT(model.GPTConfig(17)).blocks[0].value.weight.any()      # at first nothing


def test_queries_and_keys_fit_by_their_direction_alone():
    """Three times as long, they find the same; only a value's length counts."""
    net, x, ids = tiny(), torch.randn(2, 5, 16), torch.randint(0, 17, (2, 5))
    block, where = net.blocks[0], (ids, net.angle[:5], net.mask[:5, :5])
    before = block.attention(x, *where)
    block.qkv.weight.data[:32] *= 3
    assert torch.allclose(block.attention(x, *where), before, atol=1e-4)
    block.qkv.weight.data[32:] *= 3
    assert not torch.allclose(block.attention(x, *where), before, atol=.1)


def test_work_counts_what_is_multiplied(monkeypatch):
    """Two blocks of 12 C^2 weights for each token read, V C for each token that gets logits; twice
    that, where it is trained three times as much; looking up a table costs nothing."""
    monkeypatch.setattr(model, "WORK", {"tokens": 0., "flops": 0.})
    net = tiny()
    ids = torch.zeros(2, 5, dtype=torch.long)
    with torch.no_grad():
        net.logits(net.hidden(ids)[:, -1])
    assert model.WORK == {"tokens": 10, "flops": 2 * (10 * 2 * 12 * 16 ** 2 + 2 * 17 * 16)}
    net(ids)
    assert model.WORK["flops"] == 8 * 10 * 2 * 12 * 16 ** 2 + (2 * 2 + 6 * 10) * 17 * 16


def test_a_later_token_changes_nothing_before_it():
    net, ids = tiny(), torch.randint(0, 17, (1, 12))
    other = ids.clone()
    other[0, 8] = (ids[0, 8] + 1) % 17
    a, b = net(ids), net(other)
    assert torch.equal(a[:, :8], b[:, :8]) and not torch.equal(a[:, 8:], b[:, 8:])


def test_next_shows_the_ten_likeliest_tokens_in_fp32():
    """Rounded to bf16 some of the shares would be others."""
    net, tokenizer = tiny(260), bpe.BPE({bytes([b]): b for b in range(256)}, specials=bpe.SPECIALS)
    probs, ids = net(torch.tensor([[72, 105]]))[0, -1].softmax(-1).topk(10)
    net.dtype = torch.bfloat16
    speaker = model.Speaker("base", net, tokenizer, False, [], None)
    shown = model.likeliest(speaker, "Hi", SimpleNamespace(max_tokens=8)).split("\n")
    assert [line.split()[0] for line in shown] == [f"{p:.1%}" for p in probs.tolist()]
    texts = [tokenizer.show(i).replace("\n", "\\n") for i in ids.tolist()]
    assert [line[58:] for line in shown] == [f"'{text}'" for text in texts]


def test_padding_and_batch_mates_do_not_matter():
    net, ids = tiny(), torch.randint(0, 17, (3, 9))
    alone = net(ids[:1, :5])
    assert torch.allclose(net(ids)[:1, :5], alone, atol=1e-5)


def test_scores_depend_on_relative_position_only():
    """Rotated by p and p + 3, q and k have the same product as by 0 and 3."""
    net, (q, k) = tiny(), torch.randn(2, 8)
    dots = [model.rotate(q[None], net.angle[p, 0]) @ model.rotate(k[None], net.angle[p + 3, 0]).T
            for p in (0, 5, 12)]
    assert all(torch.allclose(dots[0], dot, atol=1e-4) for dot in dots[1:])


def test_cached_generation_equals_the_whole_context_again():
    net, prompts = tiny(), [[1, 2, 3], [4], [5, 6, 7, 8, 9]]
    for prompt, new in zip(prompts, model.generate(net, prompts, 10, temperature=0)):
        ids = list(prompt)
        for token in new:
            assert token == int(net(torch.tensor([ids]))[0, -1].argmax())
            ids.append(token)
        assert len(new) == 10


def test_stop_is_kept_and_nothing_follows_it():
    net = tiny()
    prompts = [[1], [2, 3], [4, 5, 6], [7]]
    free = model.generate(net, prompts, 12, generator=torch.Generator().manual_seed(1))
    end = free[0][3]
    again = torch.Generator().manual_seed(1)
    held = model.generate(net, prompts, 12, stop=end, generator=again)
    for a, b in zip(held, free):         # also where half of the rows have ended and left the batch
        assert a == b[:b.index(end) + 1 if end in b else None]
    assert len({len(a) for a in held}) > 1


def test_the_first_of_several_stops_ends_an_answer():
    free = model.generate(tiny(), [[2, 3]], 12, temperature=0)[0]
    stops = set(free[4:6])
    first = next(i for i, t in enumerate(free) if t in stops)
    assert model.generate(tiny(), [[2, 3]], 12, 0, stops) == [free[:first + 1]]


def test_an_answer_ends_where_the_block_is_full():
    assert [len(new) for new in model.generate(tiny(), [[1] * 20, [1] * 3], 12)] == [4, 12]


def test_samples_follow_the_softmax():
    """Chi-square of 20,000 draws against softmax(logits / T); 16 degrees of freedom, p = .0001."""
    logits, T = torch.randn(17), .7
    u = torch.rand(20000, generator=torch.Generator().manual_seed(0))
    drawn = torch.bincount(model.pick(logits.expand(20000, 17), u, T), minlength=17)
    expected = (logits / T).softmax(-1) * 20000
    assert float(((drawn - expected) ** 2 / expected).sum()) < 45


def test_a_checkpoint_brings_everything_back(tmp_path):
    tokenizer = bpe.BPE.train(["low lower lowest"] * 3, 270)
    net = tiny(tokenizer.vocab_size)
    model.save_checkpoint(tmp_path / "a.pt", net, tokenizer, stage="sft", metrics={"x": .5})
    again, read, extra = model.load_checkpoint(tmp_path / "a.pt")
    assert all(torch.equal(v, net.state_dict()[k]) for k, v in again.state_dict().items())
    assert read.encode("lowest é") == tokenizer.encode("lowest é")
    assert extra == {"stage": "sft", "metrics": {"x": .5}} and again.config == net.config


@pytest.mark.parametrize("content", [None, b"", b"not a checkpoint"])
def test_a_missing_or_broken_checkpoint_is_one_line(tmp_path, capsys, content):
    if content is not None:
        (tmp_path / "sft.pt").write_bytes(content)
    with pytest.raises(SystemExit) as stopped:
        model.load_checkpoint(tmp_path / "sft.pt")
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_prompts_that_do_not_fit_are_refused():
    for prompts in ([[]], [[1] * 24]):
        with pytest.raises(ValueError):
            model.generate(tiny(), prompts, 3)


def test_sharpness_is_the_log_of_a_factor_on_all_logits():
    net, ids = tiny(), torch.tensor([[1, 2, 3]])
    net.sharpness.data.fill_(0)
    before = net(ids)
    net.sharpness.data.fill_(math.log(2))
    assert before.abs().max() > 0 and torch.allclose(net(ids), 2 * before)


def test_several_stages_answer_one_under_the_other(home, capsys):
    """A base model completes, an assistant answers, each with its name before it; --next too."""
    model.main("out/pretrain.pt out/sft.pt --prompt Hi --max-tokens 3 --temperature 0".split())
    said = capsys.readouterr().out
    assert said.index("pretrain> ") < said.index("sft> ")
    for name in ("pretrain", "sft"):
        model.main(f"out/{name}.pt --prompt Hi --max-tokens 3 --temperature 0".split())
        assert f"{name}> {capsys.readouterr().out}" in said
    model.main("out/pretrain.pt out/sft.pt --next Hi".split())
    assert capsys.readouterr().out.count("%") == 20


def test_checkpoints_of_one_name_are_told_apart_by_their_folders(home, capsys):
    (home / "ex").mkdir()
    (home / "ex/sft.pt").write_bytes((home / "out/sft.pt").read_bytes())
    model.main("out/sft.pt ex/sft.pt --prompt Hi --max-tokens 3".split())
    said = capsys.readouterr().out
    assert said.index("out/sft.pt> ") < said.index("ex/sft.pt> ")


@pytest.mark.parametrize("text, result", [
    ("17 * 24", "408"), ("3+4*5-2", "21"), ("-3 - -4", "1"), ("2*3*4", "24"), ("8 - 10*2", "-12"),
    ("007", "7"), ("12", "12"), ("0*5", "0"), ("999 * 999", "998001")])
def test_the_calculator(text, result):
    assert model.calculate(text) == result


@pytest.mark.parametrize("text", ["", "1/2", "2**3", "1.5 + 1", "__import__('os')", "2 +", "a + 1",
                                  "(1 + 2) * 3", "9" * 200, "1 2", "\n"])
def test_the_calculator_says_what_it_cannot_do(text):
    assert model.calculate(text) == "I can only add, subtract and multiply whole numbers."


def test_smear_by_hand():
    """Each vector takes over shares of the three before it; before the first one stands nothing."""
    net = tiny()
    net.smear.data = torch.tensor([.5, .25, .125])[:, None].expand(3, 16).clone()
    x = torch.zeros(1, 3 + 5, 16)
    x[0, 3:, 0] = torch.tensor([8., 80, 800, 8000, 80000])
    wanted = [8, 80 + 4, 800 + 40 + 2, 8000 + 400 + 20 + 1, 80000 + 4000 + 200 + 10]
    assert net.smeared(x)[0, :, 0].tolist() == wanted


def test_at_first_nothing_is_smeared():
    """The smear is learned from zero, as all that comes after it."""
    assert not model.GPT(model.GPTConfig(17)).smear.any()


def test_where_nothing_stands_no_vector_is_looked_up():
    table = torch.nn.Embedding(5, 3)
    rows = model.look_up(table, torch.tensor([[-1, 4], [0, -1]]))
    assert torch.equal(rows[0, 1], table.weight[4]) and torch.equal(rows[1, 0], table.weight[0])
    assert not rows[0, 0].any() and not rows[1, 1].any()


@pytest.mark.parametrize("text, found", [
    ([1, 2, 7, 3, 4, 8, 1, 2], 2),                # after 1 2 stood 7
    ([2, 1, 9, 5, 1, 2, 7, 3, 1, 2], 6),          # after 1 2, not after 2 1
    ([5, 2, 9, 1, 2, 7, 1, 6, 4, 1, 2], 5)])      # both tokens count, not the last or first alone
def test_untrained_it_finds_what_followed_the_same_two_tokens(text, found):
    """By the vectors that the second block adds to queries and keys."""
    torch.manual_seed(0)
    net = model.GPT(model.GPTConfig(17))
    ids = F.pad(torch.tensor([text]), (model.SMEAR, 0), value=-1)
    q, k = net.match_vectors(model.look_up(net.match, ids))
    assert (q[0, -1] @ k[0].T).argmax() == found


def test_the_second_block_alone_is_told_what_is_the_same():
    """Or the only one."""
    for layers, told in ((1, [True]), (3, [False, True, False])):
        net, same = model.GPT(model.GPTConfig(17, layers)), []
        for block in net.blocks:
            block.register_forward_pre_hook(lambda _, given: same.append(given[4] is not None))
        net(torch.tensor([[1, 2, 3]]))
        assert same == told


def test_what_is_the_same_changes_what_is_looked_at():
    net, ids = tiny(), torch.tensor([[1, 2, 3, 1, 2]])
    before = net(ids)
    net.match.weight.data.zero_()
    assert torch.equal(net(ids)[:, 0], before[:, 0])         # one token can only look at itself
    assert not torch.allclose(net(ids)[:, 4], before[:, 4])


def test_what_is_the_same_is_added_to_queries_keys_and_values():
    net, x, ids = tiny(), torch.randn(1, 5, 16), torch.randint(0, 17, (1, 5))
    block, where = net.blocks[1], (ids, net.angle[:5], net.mask[:5, :5])
    nothing, more = torch.zeros(1, 5, 16), torch.randn(1, 5, 16)
    plain = block.attention(x, *where)
    assert torch.equal(block.attention(x, *where, (nothing, nothing, nothing)), plain)
    for same in ((more, nothing, nothing), (nothing, more, nothing), (nothing, nothing, more)):
        assert not torch.allclose(block.attention(x, *where, same), plain)


def test_what_is_handed_over_is_a_share_of_the_token_s_own_embedding():
    """Neither smeared nor a mixture, of the same length for all tokens; at first nothing."""
    net, ids, given = tiny(), torch.tensor([[1, 2, 3]]), []
    net.blocks[1].register_forward_pre_hook(lambda _, args: given.append(args[4][2]))
    net(ids)
    assert torch.allclose(given[0], net.share * F.layer_norm(net.wte.weight[ids], (16,)))
    assert not model.GPT(model.GPTConfig(17)).share
