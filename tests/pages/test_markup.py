from html.parser import HTMLParser

from demsr.pages import markup

BAD = "<script>alert(1)</script>&\"'\n\x1b"


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)

    def handle_data(self, data):
        self.texts.append(data)


def test_text_is_shown_as_it_is_wherever_it_stands():
    shown = "<script>alert(1)</script>&\"' \ufffd"
    for text in (
        markup.section(BAD, markup.paragraph(BAD, style=BAD)),
        markup.table([BAD], [[BAD, BAD]], caption=BAD),
        markup.properties({BAD: BAD}),
        markup.notes([BAD]),
    ):
        found = Tags(text)
        assert "script" not in found.names
        assert any(part.startswith(shown[:20]) for part in found.texts)


def test_a_table_has_a_head_and_names_its_rows():
    text = markup.table(["method", "RMSE"], [["bicubic", 3]], caption="errors")
    assert '<th scope="col">RMSE</th>' in text
    assert '<tr><th scope="row">bicubic</th><td>3</td></tr>' in text
    assert "<caption>errors</caption>" in text


def test_no_sentence_is_no_list():
    assert markup.notes([]) == ""
