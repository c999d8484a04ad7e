from demsr.lifecycle.model_card import imported_card, trained_card

TRAINING = {"profile": "sample", "seed": 1, "degradations": ["block mean", "real"]}


def test_the_card_has_net_scores_and_decision():
    scores = {
        "land_3arcsec": {"rmse_m": 3.456789, "gain_percent": 12.0},
        "marine_ready_made_scaled": {"rmse_scaled": 0.00012, "gain_percent": -1.0},
    }
    assert trained_card("2 blocks", TRAINING, scores, "first version") == (
        "2 blocks; profile sample, seed 1. LR of its pairs: block mean, real.\n\n"
        "| held-out areas | RMSE | gain over bicubic |\n|---|---|---|\n"
        "| land 3arcsec | 3.457 m | +12.0 % |\n| marine ready made scaled | 0.00012 scaled | -1.0 % |\n\n"
        "first version\n"
    )


def test_products_that_share_a_citation_are_cited_once():
    product = {"title": "A", "files": 1, "sha256": "ab" * 32, "citation": "Someone 2020.", "doi": "10.1/x"}
    card = trained_card("2 blocks", TRAINING | {"data": [product, product]}, {}, "why")
    assert card.count("| A  |  |  |  | 1 | abababababab |") == 2
    assert card.endswith("\nCite\n\n- Someone 2020. 10.1/x\n")


def test_the_card_of_an_import_says_which_values_the_net_takes():
    scaled = imported_card("2 blocks", {"source": "a.ckpt", "scaled_range_m": None})
    metres = imported_card("2 blocks", {"source": "a.ckpt", "scaled_range_m": [-11000.0, 9000.0]})
    assert "checkpoint `a.ckpt`" in scaled
    assert "Input and output: values scaled to 0..1 as its training data were." in scaled
    assert "Input and output: metres; -11000 to 9000 m were 0..1 in its training data." in metres


def test_text_from_files_is_shown_as_it_is():
    hostile = "<script>alert(1)</script> | x\n# [y](javascript:z)"
    product = dict.fromkeys(("title", "version", "licence", "citation", "doi"), hostile) | {
        "files": 1,
        "sha256": "ab" * 32,
    }
    card = trained_card("2 blocks", {"profile": hostile, "seed": 1, "data": [product]}, {}, f"worst area {hostile}")
    card += imported_card("2 blocks", {"source": f"`{hostile}", "scaled_range_m": None}).replace(f"`'{hostile[:6]}", "")
    row = next(line for line in card.splitlines() if "abababababab" in line)
    assert row.replace(r"\|", "").count("|") == 7
    assert not [line for line in card.splitlines() if line.startswith("# ")]
    assert "[y]" not in card.partition("MindSpore checkpoint")[0]
    assert "<script>" not in card.partition("MindSpore checkpoint")[0]
