"""What the demo prints of the channel."""

from __future__ import annotations

from bot.demo.transcript import plain


def test_people_files_and_links_are_shown_by_their_names() -> None:
    said = {
        "text": "goes on from <http://127.0.0.1:1/archives/C0/p17|r-dvsf>, asked for by <@U1>; &lt;http://x|y&gt; is a text",
        "files": [{"name": "fish.zip"}], "blocks": [{"type": "image", "alt_text": "Curves"}],
    }
    assert plain(said, {"U1": "ada"}).splitlines() == [
        "goes on from `r-dvsf`, asked for by @ada; <http://x|y> is a text", "[fish.zip]", "[picture: Curves]",
    ]
