from demsr.runtime.escape import as_code, as_markdown

HOSTILE = "a|b\n<img src=x onerror=alert(1)> [x](javascript:alert(1)) `c` *d* \x1b[31m"


def test_markdown_and_html_show_a_text_as_it_is():
    shown = as_markdown(HOSTILE)
    assert shown == (
        r"a\|b &lt;img src=x onerror=alert(1)&gt; \[x\](javascript:alert(1)) \`c\` \*d\* " + "\ufffd" + r"\[31m"
    )
    assert as_markdown("Someone 2020, NASADEM 3.1 & more") == "Someone 2020, NASADEM 3.1 &amp; more"
    assert as_markdown(12) == "12"


def test_code_cannot_be_left():
    assert as_code("a.ckpt") == "`a.ckpt`"
    assert as_code(HOSTILE).count("`") == 2
    assert "\n" not in as_code(HOSTILE)
