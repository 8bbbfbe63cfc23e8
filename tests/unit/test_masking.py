"""Personal data never leaves in the open, and addresses and sums stay readable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_ui.audit.masking import mask_personal


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("карта 0000 0012 3456 7890", "карта 0000 00•• •••• 7890"),
        ("0000001234567890", "000000••••••7890"),
        ("0000-0012-3456-7890!", "0000-00••-••••-7890!"),
        ("+7 701 000 00 00", "+7 ••• ••• •• 00"),
        ("8(701)000-00-00", "8(•••)•••-••-00"),
        ("8.701.000.00.00", "8.•••.•••.••.00"),
        ("ИИН 000101300123", "ИИН 0•••••••••23"),
        ("KZ00 0000 0000 0000 0000", "KZ00••••••••••••••••••00"),
        ("пиши на primer.ulgi+1@primer-dohod.example.", "пиши на •••@•••."),
        ("https://wa.me/77010000000", "https://wa.me/7••••••••00"),
        ("api.whatsapp.com/send?phone=77010000000", "api.whatsapp.com/send?phone=7••••••••00"),
        # these stay
        ("t.me/c/1234567890/12", "t.me/c/1234567890/12"),
        ("https://primer.example/?id=1234567890123", "https://primer.example/?id=1234567890123"),
        ("снято 2026-03-12 08:14, 12.03.2026 10:41", "снято 2026-03-12 08:14, 12.03.2026 10:41"),
        ("оборот 20 000 000 000 ₸", "оборот 20 000 000 000 ₸"),
        ("доход 30 % в месяц, вход 20 000 ₸", "доход 30 % в месяц, вход 20 000 ₸"),
        ("№ 2841-1", "№ 2841-1"),
    ],
)
def test_masking(text: str, masked: str) -> None:
    assert mask_personal(text) == masked


@given(st.text(alphabet="0123456789 +-()abя@.\n", max_size=60))
def test_masking_twice_is_masking_once(text: str) -> None:
    assert mask_personal(mask_personal(text)) == mask_personal(text)


@given(st.from_regex(r"\A\d{16}\Z"), st.sampled_from(["", "карта: ", "(", "•"]))
def test_no_card_survives(card: str, before: str) -> None:
    assert card not in mask_personal(f"{before}{card} оплата")
