"""How methods are called."""

from tsal.config.names import method_name


def test_names_for_people():
    assert [method_name(m) for m in ("tsal", "self_training", "tsal_mu_0", "my_method", "tsalmon")] == [
        *["TSAL", "Self-training", "TSAL, mu 0", "my method", "tsalmon"]
    ]
