"""Letters, look-alikes and signs of the Cyrillic and Latin alphabets of Russian, Kazakh and English."""

CYRILLIC = "\u0400-\u052f"
LATIN = "a-zı\u00e0-\u00f6\u00f8-\u024f\u1e00-\u1eff"
VOWELS = frozenset("аеёиоуыэюяәөұүіaeiouy")


def _pairs(written: str) -> dict[str, str]:
    return {pair[0]: pair[1] for pair in written.split()}


# Lower-case letters; that an upper-case shape is alike (Н and H) counts.
_ALIKE = _pairs("аa вb сc еe нh іi кk мm оo рp тt уy хx ѕs јj ԁd ԛq ԝw")
LATIN_OF = {**_ALIKE, **_pairs("ёe ґr ғf үy һh")}
# The second part is alike in handwriting or to a careless eye: good enough within a word that is Cyrillic otherwise.
CYRILLIC_OF = {**{latin: cyrillic for cyrillic, latin in _ALIKE.items()}, **_pairs("ıі uи nп rг zз lл")}
# A word of these alone may be a Cyrillic one in Latin letters.
TWO_FACED = frozenset("abcehikmoptxy")

# Signs of other alphabets and of phonetics that stand in for a Latin letter; the mathematical ones NFKC knows.
STAND_INS = _pairs(
    "αa βb γy δd εe ζz ηn ιi κk λa μm νv οo ρp τt υu χx ωw ςc σo "
    "ᴀa ʙb ᴄc ᴅd ᴇe ɢg ʜh ɪi ᴊj ᴋk ʟl ᴍm ɴn ᴏo ᴘp ʀr ꜱs ᴛt ᴜu ᴠv ᴡw ʏy ᴢz "
    "ɑa ɐa ɓb ƈc ɗd ɛe ɠg ɦh ɨi ʝj ƙk ɱm ɲn ɵo ƥp ɽr ʂs ƭt ʉu ʋv ʐz "
    "աw ոn օo ցg հh յj սu ѵv ԍg"
)

# Signs that stand for a letter where letters are around; of Cyrillic words 3 is left to `disguises`.
CYRILLIC_SIGNS = _pairs("0о @а €е $с 4ч 6б 1і 8в 9я £л")
LATIN_SIGNS = _pairs("0o @a €e $s 4a 1i 5s 7t 3e £l")
