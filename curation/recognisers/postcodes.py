"""Postcodes that stand without a street.

A British or Canadian postcode names a dozen doors, so it counts by its form alone (Royal Mail; Canada Post). All
others name towns or quarters: they count after their word ("zip code is 97201", "CEP", "PLZ", "code postal", "kode
pos", "우편번호").

Left alone: the first half of a British postcode, which names a district; postcodes in addresses are in `addresses`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from curation.found import Found
from curation.recognisers.digits import LATIN, has_digit

_BRITISH = re.compile(
    rf"(?<![{LATIN}])(?:[A-PR-UWYZ]\d{{1,2}}|[A-PR-UWYZ][A-HK-Y]\d{{1,2}}|[A-PR-UWYZ]\d[A-HJKPSTUW]"
    rf"|[A-PR-UWYZ][A-HK-Y]\d[ABEHMNPRVWXY]"
    rf"|GIR) ?\d[ABD-HJLNP-UW-Z]{{2}}(?![{LATIN}])"
)
_CANADIAN = re.compile(rf"(?<![{LATIN}])[ABCEGHJ-NPRSTVXY]\d[ABCEGHJ-NPRSTV-Z] ?\d[ABCEGHJ-NPRSTV-Z]\d(?![{LATIN}])")
_SAID = re.compile(
    r"(?:\b(?:zip|zip ?code|post ?code|postal code|pin ?code|cep|plz|postleitzahl|code postal|c\.?p\."
    r"|código postal|kode pos)"
    r"|郵便番号|우편번호)(?:\W{1,3}(?:code|is|es|é|est|ist|adalah|my|number|:))*?\W{0,3}(?:は|는|은)?\s?"
    rf"(?P<code>(?:\d{{3}}[- ]\d{{4}}|\d{{5}}[- ]\d{{3,4}}|\d{{4,7}}|[A-Z]{{1,2}}\d[A-Z\d]? ?\d[A-Z]{{2}}"
    rf"|[A-Z]\d[A-Z] ?\d[A-Z]\d))(?![{LATIN}])",
    re.IGNORECASE,
)


def postcodes(text: str) -> Iterator[Found]:
    """British and Canadian postcodes, others after their word."""
    if not has_digit(text):
        return
    for pattern in (_BRITISH, _CANADIAN):
        for match in pattern.finditer(text):
            yield Found(*match.span(), "STREET_ADDRESS", 0.6)
    for match in _SAID.finditer(text):
        yield Found(*match.span("code"), "STREET_ADDRESS", 0.6)
