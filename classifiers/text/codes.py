"""Rationale codes that a text's own words suggest. Suggestions for the moderator, never a reason to flag.

A cue is one or more patterns that must all stand in the text; a code may have several cues. They are read in
lower case, with `е` for `ё`; Russian, Kazakh (with and without its own letters) and English.
"""

import re
from dataclasses import dataclass

from classifiers.labels import load_labels
from qalqan.records import Label

# Cues are sought in the beginning of a long page only; patterns have no nested repeats, so time stays linear.
_READ_CHARACTERS = 20_000

_PERCENT = r"\d\s?(?:%|процент|пайыз|percent)"
_MONEY = r"\d\s?(?:тыс|мың|мын\b|млн|миллион|тг\b|тенге|теңге|₸|\$|доллар|usd|руб|₽|к\b|k\b|€|евро)|[$€₸]\s?\d"
_PERIOD = (
    r"(?:в|за|на)\s(?:день|сутки|недел|месяц|мес\b|24)|ежедневн|ежемесячн|еженедельн|кажд\w{2}\s(?:день|недел|месяц|утро)"
    r"|күніне|кунине|куни|күн\sсайын|аптасына|апта\sсайын|айына|ай\sсайын|айда\b|аптада|күнде\b"
    r"|(?:per|a|every|each)\s(?:day|week|month)|daily|weekly|monthly"
)
_CONTACT = (
    r"@\s?[a-zа-я_]\w{2}|t\.me|wa\.me|телег|telegram|\bтг\b|\btg\b|whats?app|ватсап|вотсап|директ|\bdirect\b"
    r"|\bлс|личк|\bdm\b|\bбот|\bbot\b|қоңырау|звони"
)
_CALL = (
    r"пиш[иу]|напиш|жаз(?:ы[лң]|ып|\b)|жазсаң|жазыныз|ссылк|сілтеме|силтеме|регистр|тіркел|тиркел|присоедин|вступа|подключай|заходи"
    r"|қосыл|вебинар|презентац|таныстырылым|эфир|zoom|зум\b|joinchat|\bjoin\b|sign\sup|\bbio\b|write\s(?:me|to)|message\s(?:me|her|him)"
    r"|contact\s(?:me|her|him)|кому\s(?:интересно|надо)|кім(?:ге)?\s(?:керек|дайын|қызық)|хабарлас|«?\+»?\sв\s|профил"
)
_SUBSTANCE = (
    r"меф\b|мефедрон|\bмяу\b|м3ф|\bmef|амфетамин|\bамф\b|гаш\b|гашиш|марихуан|каннабис|кокаин|\bкокс|героин|экстази|мдма|mdma"
    r"|\bлсд\b|\blsd\b|спайс|spice|нәше|наша\b|анаша|есірткі|\bшиш(?:ки)?\b|бошк|\bсол[ьи]\b|крист?ал|\bкрис\b|cr[iy]stal|\bскорост|\bск\b"
    r"|альфа-?пвп|pvp|mephedrone|cocaine|\bhash|weed\b|cannabis|\bthc\b|ecstasy|ketamin|кетамин|\bтұз\b|\btuz\b|\bшөп\b|\bшоп\b|стафф?\b"
    r"|\bspeed\b|\bice\b|\bмука\b|жылдамдық|таблет|ұнтақ|гриб"
)
_AMOUNT = (
    rf"\d\s?(?:г\b|гр|g\b|mg\b|мг|шт)|грамм|{_MONEY}|прайс|price|бағасы|в\sналичии|қолда\sбар|сатыл|купить|продам"
    r"|\bbuy\b|\bsale\b|\bбар\b|меню"
)


@dataclass(frozen=True, slots=True)
class Cue:
    """All patterns must be found."""

    code: str
    patterns: tuple[re.Pattern[str], ...]

    def is_in(self, text: str) -> bool:
        return all(pattern.search(text) for pattern in self.patterns)


def _cue(code: str, *patterns: str) -> Cue:
    return Cue(code, tuple(re.compile(pattern) for pattern in patterns))


_PYRAMID = (
    _cue("FP01", _PERCENT, _PERIOD),
    _cue(
        "FP01",
        r"гарант\w*\s(?:доход|прибыл|выплат)|доход\w*\sгарант|кепілді\s|кепилдик|guaranteed|без\s?риск|тәуекелсіз|risk.free",
    ),
    _cue(
        "FP01",
        r"пассив\w*\s(?:доход|табыс|кіріс)|passive\sincome|удво|утро[ию]|екі\sесе|еселен|double|\b[xх]\s?\d|иксы",
    ),
    _cue(
        "FP01",
        _MONEY,
        r"вложил|вложи\b|внес\w*\s|закинул|положил|салдым|салсаң|салсан|салғам|салған|invested|deposited|put\sin",
    ),
    _cue(
        "FP02",
        r"реферал|\bреф|referral|\brefer\b|матриц|бинар|(?:перв|втор)\w{2}\sлини|downline|upline|structure\sbonus",
    ),
    _cue(
        "FP02",
        r"(?:приглас|пригла[шс]|привед|привел|позов|зов)\w*|под\s(?:тобой|собой|вами|себя)|команд\w*\s(?:растет|партнер)",
    ),
    _cue(
        "FP02",
        r"(?:адам|дос|мүше|қатысушы|серіктес)\w*\s(?:\w+\s)?(?:шақыр|шакыр|тарт|әкел|акел|қос|ертіп|енгіз)|шақырған|астыма|астына",
    ),
    _cue("FP02", r"(?:bring|invite|recruit)\w*\s(?:\w+\s)?(?:friends|people|partners|others|neighb)"),
    _cue(
        "FP03",
        _MONEY,
        r"взнос|\bпай\b|паев|порог|вход|старт|депозит|пакет|тариф|минимал|активац|жарна|салым|салы[пң]|салса|кіресің|кірсең",
    ),
    _cue("FP03", _MONEY, r"deposit|invest|entry|buy.in|starter|level\s\d|put\s\S+\sto"),
    _cue(
        "FP06",
        r"успе[йв]|мест\w*\s(?:ограничен|мало|осталось)|осталось\s\d|последн\w+\s(?:шанс|мест|день)|розыгрыш|только\sсегодня",
    ),
    _cue(
        "FP06",
        r"орын\w*\s(?:шектеулі|аз)|үлгер|соңғы\s(?:мүмкіндік|орын|күн|екі)|ұтыс|тек\sбүгін|hurry|limited|last\schance|giveaway",
    ),
    _cue(
        "FP07",
        r"ноу-?хау|уникальн\w+\s(?:алгоритм|систем|методик)|секретн|нейросет|торгов\w+\s(?:бот|робот)|робот\sторгует",
    ),
    _cue(
        "FP07",
        r"(?:сауда|крипто)\S*\s?(?:бот|робот)|бот\sөзі|құпия|trading\sbot|\bai\strad|арбитраж|arbitrage|майнинг|mining|стейкинг",
    ),
    _cue(
        "FP08",
        r"\busdt\b|trc-?20|крипт|биткои|биткой|bitcoin|\bbtc\b|crypto|на\sкарту|перевод|каспи|kaspi|картаға|карточка",
    ),
    _cue(
        "FP09",
        r"кооператив|пайщик|ломбард|\bмфо\b|благотворительн|қайырымдылық|пайшы|cooperative|co-operative|несиесіз|баспаналы|үйлі\sбол",
    ),
    _cue("FP09", r"(?:жиль|квартир|авто|машин)\w*\sбез|без\s(?:кредит|процент|банк)|банксіз|пайызсыз"),
    _cue(
        "FP10",
        r"тапалк|\bтапа[йю]|tap\s?to\s?earn|\btap\b|лайк|задани|тапсырма|экономическ\w+\sигр|батырма\sбас|\blike\w*\s(?:hotels|videos)",
    ),
    _cue(
        "FP11",
        r"черн\w+\sкасс|қара\sкасса|қазан|шеңбер|денежн\w+\s(?:круг|стол|поток|цвет)|\bстол\w*\s|gift|circle|дар(?:и|ят|ени)\w*\s",
    ),
    _cue("FP12", r"казмунайгаз|қазмұнайгаз|самрук|самұрық|газпром|тесла|tesla|илон\sмаск|elon|президент"),
    _cue(
        "FP13",
        r"скрин|чек\w*\s(?:выплат|вывод)|вывел|вывод|личн\w+\sкабинет|кабинет|баланс|шығарып|шыгарып|withdr[ae]w|payout|my\saccount",
    ),
    _cue("FP15", _CALL),
    _cue("FP15", _CONTACT),
)

_SHOP = (
    _cue("DS01", _SUBSTANCE, _AMOUNT),
    _cue(
        "DS02",
        r"заклад(?:к[иауо]|чик)|\bклад|kl@d|кл@д|тайник|прикоп|координат|магнит|адрес\w*\s(?:сразу|после)|перезаклад|ненаход",
    ),
    _cue("DS02", r"жасырын|тыққан|тығып|мекенжай|\bdrops?\b|stash|район|аудан|district"),
    _cue(
        "DS03",
        r"авто-?(?:шоп|продаж|магазин)|автобот|\bбот|\bbot|24\s?[/\\x]\s?7|витрин|прайс|каталог|меню|menu|shop|шоп\b|дүкен\w*\s24",
    ),
    _cue(
        "DS04",
        r"\busdt\b|trc-?20|\bbtc\b|биткои|биткой|bitcoin|крипт|crypto|litecoin|monero|\bxmr\b|обменник|карт(?:у|ой|аға|ага)|\bcard\b",
    ),
    _cue(
        "DS05",
        r"курьер|закладчик|кладмен|фасовщик|оператор|перевозчик|склад|минер|жеткізуші|жеткизуши|courier|packer",
        r"нужн|требу|ищем|ищу|набор|набира|приглаша|ваканси|работ|керек|іздей|издей|шақыр|жұмыс|hiring|wanted|needed|залог|\bзп\b|выплат|төле",
    ),
    _cue("DS06", r"отзыв|качеств|чистот|диспут|саппорт|поддержк|ненаход|not.found|сапа|пікір|purity|quality|reviews?"),
    _cue(
        "DS07",
        r"зеркал|резерв|запасн|\bonion|онион|даркнет|darknet|\btor\b|айна|қосалқы|mirror|backup|стар\w+\sканал|old\schannel|жаңа\sканал",
    ),
    _cue(
        "DS09",
        r"[💎❄⚡🌲🍁🍀💊🍫🔌🌿🍄🍪]|\bстафф?\b|\bмяу\b|\bмука\b|\bснежок\b|\bшмаль\b|\bзелень\b|\bflour\b|\bgreens\b",
    ),
    _cue(
        "DS10",
        r"скидк|акци[яи]\b|лотере|розыгрыш|конкурс|пробник|бонус|промокод|жеңілдік|сынама|сыйлық|тегін|discount|sample|promo|percent\soff|free\s",
    ),
    _cue("DS11", r"гроубокс|гровер|выращива|варим|growing|өсіреміз"),
    _cue("DS12", r"кайф|улет|рахат|ләззат|отрыв|накрыва|\bприход|\bhigh\b|\btrip\b|незабываем"),
    _cue(
        "DS15",
        r"алмат|астан|шымкент|караганд|қарағанд|\bкрг\b|\bkrg\b|актобе|ақтөбе|актау|ақтау|атырау|павлодар|костана|қостана|семе[йя]|тараз|уральск"
        r"|казахстан|қазақстан|кокшетау|көкшетау|петропавл|кызылорд|қызылорд|туркестан|түркістан|талдыкорган|талдықорған|усть-каменогор|өскемен"
        r"|темиртау|теміртау|almaty|astana|shymkent|pavlodar|тенге|теңге|\bтг\b|₸|kzt|каспи|kaspi",
    ),
    _cue(
        "DS16",
        r"лирик[аиу]|прегабалин|pregabalin|lyrica|трамадол|tramadol|без\sрецепта|рецептсіз|without\sprescription|ксанакс|xanax",
    ),
)

_GRAFFITI = (
    _cue(
        "DG01",
        r"трафарет|trafaret|надпис|граффити|балл?он|маркер|\bстен|забор|подъезд|остановк|гараж|расклей|клею|наклейк|стикер|листовк",
    ),
    _cue(
        "DG01",
        r"қабырға|кабырга|дуал|аялдама|жапсыр|бояу|жазу|jazý|кіреберіс|stencil|sticker|spray|\bwalls?\b|graffiti|\btags?\b",
    ),
    # What is read off a wall is short, and seldom says that it is a wall.
    _cue("DG01", r"\A[\s\S]{1,160}\Z", _CONTACT),
    _cue("DG02", r"\bqr\b|qr-?код|куар|штрих-?код|сканир|скан\b|наведи\sкамеру|сканерле|\bscan\b"),
    _cue("DG03", rf"{_SUBSTANCE}|[❄💎🍁🌿🌲⚡🌴]|24\s?[/\\x]\s?7|\bshop|hop\b|шоп|магазин|заклад|\bклад|дүкен|market"),
    _cue(
        "DG04",
        r"работ|заработ|\bзп\b|з/п|зарплат|оплат|платим|жұмыс|жумыс|jumys|табыс|ақша|акша|айлық|апталық|төле|\bjob\b|\bearn|\bpay\b",
        _CONTACT,
    ),
    _cue("DG04", r"курьер|courier", _CONTACT),
    _cue("DG08", r"школ|детск\w+\sплощадк|детсад|остановк|мектеп|балалар\sалаңы|аялдама|school|playground|bus\sstop"),
    _cue("DG09", r"\b(?:ул|мкр|просп|пр-т|көше|ықшам)\w*\.?\s\w|координат|геометк|ауданы|\d\d\.\d{4}"),
    _cue(
        "DG10",
        r"отчет|фотоотч|есеп|esep|report|нанес|расклеил|клею|салдым|салынды|жапсырдым|затегал|готово|\bсдал|фото\sстен|смен[ау]\b",
    ),
    _cue(
        "DG10",
        r"трафаретчик|трафаретші|trafaretshi|граффитчик|художник|суретші|суретши|расклейк|расклейщик|нанос|нанес|painters?|artists?",
    ),
    _cue("DG10", r"ник\w*\s(?:на|магаз|сал|шоп)|адрес\sбота|найди\sнаше|find\sour|ищите\sнас|ник\w*\s"),
)

_EXCULPATORY = (
    _cue(
        "EX01",
        r"задержан|задержал[иа]\s|приговор|осужд|уголовн\w+\sдел|возбужд|суд\s(?:вынес|признал)|прокуратур|пресс-?служб|полици[яи]|полицейск",
    ),
    _cue(
        "EX01",
        r"изъял|ликвидиров|пресеч|ұсталды|сотталды|сот\sүкім|қылмыстық\sіс|тәркіле|бұғатталды|police|arrested|sentenced|prosecutor",
    ),
    _cue(
        "EX02",
        r"предупрежда|осторожно|остерега|не\s(?:переводите|ведитесь|верьте|вкладывайте)|признак\w*\s|профилактик|памятк|мошенник",
    ),
    _cue(
        "EX02",
        r"ескерт|сақ\sбол|абай\sбол|алданып\sқалма|алаяқ|алдын\sалу|пирамида\w*\sбелгі|жол\sжоқ|beware|warning|scam|prevention",
    ),
    _cue(
        "EX03",
        r"закра(?:сил|шен)|стерли|волонтер|прошу\s(?:акимат|убрать)|просим\s|куда\sсмотрит|сообщите|өшірді|өшірілді|боялды|ерікті|painted\sover",
    ),
    _cue(
        "EX04",
        r"мурал|стрит-?арт|художник\w*\sрассказ|выставк|фестивал|мастер-?класс|спектакл|көрме|суретші\w*\s(?:салды|айтты)|street\sart|mural",
    ),
    _cue(
        "EX05",
        r"реабилитац|нарколог|лечени\w+|аптек|меня\s(?:обману|развел|кинул)|куда\s(?:обратиться|писать)|оңалту|дәріхана|мені\sалда|rehab",
    ),
    _cue("EX06", r"лицензи\w+\s(?:арр?фр|нацбанк|агентств)|кфгд|қдкбқ|облигаци|отбасы\sбанк|мфца|ахқо|жылдық\s\d"),
    _cue("EX08", r"сбор\s(?:средств\s)?на\sлечени|взаимопомощ|\bасар\b|жылу\sжина|достар\sкассасы"),
    _cue(
        "EX10",
        r"трудов\w+\s(?:договор|кодекс)|по\sтк\b|соцпакет|медосмотр|обед|резюме|hh\.kz|enbek|собеседован|еңбек\s(?:шарт|келісім)|түйіндеме",
    ),
    _cue("EX10", r"glovo|wolt|яндекс|indrive|доставк\w+\s(?:еды|цвет)|тамақ\sжеткіз|график\s\d/\d"),
)

_CUES: dict[Label, tuple[Cue, ...]] = {
    "financial_pyramid": _PYRAMID,
    "drug_shop": _SHOP,
    "drug_graffiti": _GRAFFITI,
}


def suggest_codes(text: str, label: Label) -> tuple[str, ...]:
    """Codes of the label whose cues stand in the text, in the order of the label's file, then exculpatory ones."""
    read = text[:_READ_CHARACTERS].lower().replace("ё", "е")
    found = {cue.code for cue in _CUES[label] if cue.is_in(read)}
    exculpatory = dict.fromkeys(cue.code for cue in _EXCULPATORY if cue.is_in(read))
    return (*(code for code in load_labels()[label].codes if code in found), *exculpatory)
