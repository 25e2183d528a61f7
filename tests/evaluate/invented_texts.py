"""Invented sentences for fixtures of public benchmarks: written for these tests, in no published set.

`{a}` and `{b}` are names of people. Position i of one language says what position i says in the others.
"""

from __future__ import annotations

__all__ = ["EVENTS", "MMLU", "NAMES", "STORIES", "WINOGRAD"]

NAMES = ("Ada", "Bruno", "Chiara", "Deniz", "Elena", "Farid", "Grace", "Hugo", "Irina", "Juma", "Kenji", "Lucia")

EVENTS: dict[str, tuple[tuple[str, str, str], ...]] = {
    "it": (
        ("{a} ha chiuso la finestra.", "Fuori faceva molto freddo.", "La stanza si è scaldata."),
        ("{a} ha perso le chiavi.", "C'era un buco nella tasca.", "La porta è rimasta chiusa."),
        ("{a} ha innaffiato il giardino.", "La terra era secca.", "I fiori sono cresciuti."),
        ("{a} ha acceso la lampada.", "Il sole era tramontato.", "Il corridoio si è illuminato."),
        ("{a} ha mancato l'autobus.", "La sveglia non ha suonato.", "La riunione è cominciata senza un ospite."),
        ("{a} ha riparato la bicicletta.", "Una ruota era rotta.", "Il viaggio è continuato."),
        ("{a} ha assaggiato la zuppa.", "Il profumo era buono.", "La lingua si è scottata."),
    ),
    "tr": (
        ("{a} pencereyi kapattı.", "Dışarısı çok soğuktu.", "Oda ısındı."),
        ("{a} anahtarlarını kaybetti.", "Cebinde bir delik vardı.", "Kapı kapalı kaldı."),
        ("{a} bahçeyi suladı.", "Toprak kuruydu.", "Çiçekler büyüdü."),
        ("{a} lambayı yaktı.", "Güneş batmıştı.", "Koridor aydınlandı."),
        ("{a} otobüsü kaçırdı.", "Çalar saat çalmadı.", "Toplantı bir konuk eksik başladı."),
        ("{a} bisikleti tamir etti.", "Bir tekerlek kırıktı.", "Yolculuk devam etti."),
        ("{a} çorbanın tadına baktı.", "Kokusu güzeldi.", "Dili yandı."),
    ),
    "zh": (
        ("{a}关上了窗户。", "外面非常冷。", "房间变暖和了。"),
        ("{a}丢了钥匙。", "口袋里有一个洞。", "门一直关着。"),
        ("{a}给花园浇了水。", "泥土很干。", "花长大了。"),
        ("{a}打开了灯。", "太阳已经下山。", "走廊亮了起来。"),
        ("{a}错过了公共汽车。", "闹钟没有响。", "会议开始时少了一位客人。"),
        ("{a}修好了自行车。", "有一个轮子坏了。", "旅行继续进行。"),
        ("{a}尝了一口汤。", "味道闻起来很香。", "舌头被烫到了。"),
    ),
}
"""By language: premise, its cause, its effect."""

STORIES: dict[str, tuple[tuple[str, str, str, str, str], ...]] = {
    "en": (
        (
            "{a} wanted to bake bread.",
            "There was no flour in the house.",
            "{a} walked to the shop on the corner.",
            "The shop had one bag left.",
            "{a} carried the flour home and lit the oven.",
        ),
        (
            "{a} found a wet kitten in the street.",
            "The kitten was shaking.",
            "{a} looked for a dry cloth.",
            "The kitten stopped crying.",
            "{a} took the kitten to a warm room.",
        ),
        (
            "{a} was learning to play the drum.",
            "The neighbours heard it every evening.",
            "They asked for some quiet after nine.",
            "{a} listened to them.",
            "{a} now plays only in the afternoon.",
        ),
        (
            "The river rose during the night.",
            "{a} heard the water under the bridge.",
            "A cow stood on the wrong bank.",
            "{a} ran to the farm with a rope.",
            "{a} pulled the cow to safety.",
        ),
        (
            "{a} wrote a long letter.",
            "The pen ran dry in the middle.",
            "Every drawer was empty.",
            "A friend came by with a pencil.",
            "{a} finished the letter with the pencil.",
        ),
    ),
    "es": (
        (
            "{a} quería hacer pan.",
            "No había harina en casa.",
            "{a} caminó hasta la tienda de la esquina.",
            "A la tienda le quedaba una bolsa.",
            "{a} llevó la harina a casa y encendió el horno.",
        ),
        (
            "{a} encontró un gatito mojado en la calle.",
            "El gatito temblaba.",
            "{a} buscó un paño seco.",
            "El gatito dejó de llorar.",
            "{a} llevó al gatito a un cuarto caliente.",
        ),
        (
            "{a} aprendía a tocar el tambor.",
            "Los vecinos lo oían cada noche.",
            "Pidieron silencio después de las nueve.",
            "{a} los escuchó.",
            "{a} ahora toca solo por la tarde.",
        ),
        (
            "El río creció durante la noche.",
            "{a} oyó el agua bajo el puente.",
            "Una vaca estaba en la orilla equivocada.",
            "{a} corrió a la granja con una cuerda.",
            "{a} puso la vaca a salvo.",
        ),
        (
            "{a} escribía una carta larga.",
            "La pluma se secó a la mitad.",
            "Todos los cajones estaban vacíos.",
            "Una amiga pasó con un lápiz.",
            "{a} terminó la carta con el lápiz.",
        ),
    ),
    "ar": (
        (
            "أراد {a} أن يخبز خبزا.",
            "لم يكن في البيت دقيق.",
            "مشى {a} إلى الدكان في الزاوية.",
            "بقي في الدكان كيس واحد.",
            "حمل {a} الدقيق إلى البيت وأشعل الفرن.",
        ),
        (
            "وجد {a} قطة مبللة في الشارع.",
            "كانت القطة ترتجف.",
            "بحث {a} عن قطعة قماش جافة.",
            "توقفت القطة عن البكاء.",
            "أخذ {a} القطة إلى غرفة دافئة.",
        ),
        (
            "كان {a} يتعلم العزف على الطبل.",
            "كان الجيران يسمعونه كل مساء.",
            "طلبوا الهدوء بعد التاسعة.",
            "استمع {a} إليهم.",
            "يعزف {a} الآن بعد الظهر فقط.",
        ),
        (
            "ارتفع النهر في الليل.",
            "سمع {a} الماء تحت الجسر.",
            "كانت بقرة تقف على الضفة الخطأ.",
            "ركض {a} إلى المزرعة ومعه حبل.",
            "سحب {a} البقرة إلى الأمان.",
        ),
        (
            "كان {a} يكتب رسالة طويلة.",
            "جف القلم في المنتصف.",
            "كانت كل الأدراج فارغة.",
            "مر صديق ومعه قلم رصاص.",
            "أنهى {a} الرسالة بقلم الرصاص.",
        ),
    ),
}
"""By language: four sentences and the ending."""

WINOGRAD: dict[str, tuple[tuple[str, int], ...]] = {
    "en": (
        ("{a} lent {b} an umbrella because _ was getting wet.", 2),
        ("{a} could not lift the box of {b}, since _ had packed it too full.", 2),
        ("{a} thanked {b} for the soup that _ had cooked.", 2),
        ("{a} called {b} twice, but _ did not answer.", 2),
        ("{a} followed {b} through the forest until _ lost the trail.", 1),
        ("{a} paid {b} for the bicycle before _ rode it home.", 1),
        ("{a} asked {b} a question because _ wanted to know the way.", 1),
    ),
    "pt": (
        ("{a} emprestou um guarda-chuva a {b} porque _ estava a molhar-se.", 2),
        ("{a} não conseguiu levantar a caixa de {b}, pois _ a tinha enchido demais.", 2),
        ("{a} agradeceu a {b} a sopa que _ tinha feito.", 2),
        ("{a} ligou duas vezes para {b}, mas _ não atendeu.", 2),
        ("{a} seguiu {b} pela floresta até que _ perdeu o rasto.", 1),
        ("{a} pagou a bicicleta a {b} antes que _ a levasse para casa.", 1),
        ("{a} fez uma pergunta a {b} porque _ queria saber o caminho.", 1),
    ),
    "zh": (
        ("{a}把伞借给{b}，因为_快要淋湿了。", 2),
        ("{a}搬不动{b}的箱子，因为_装得太满了。", 2),
        ("{a}感谢{b}，因为_做了汤。", 2),
        ("{a}给{b}打了两次电话，可是_没有接。", 2),
        ("{a}跟着{b}穿过森林，直到_迷了路。", 1),
        ("{a}向{b}付了自行车的钱，然后_把它骑回家。", 1),
        ("{a}问了{b}一个问题，因为_想知道路怎么走。", 1),
    ),
}
"""By language: a sentence with its blank, and whether {a} (1) or {b} (2) fills it."""

MMLU: dict[str, dict[str, str]] = {
    "en": {
        "elementary_mathematics": "What is the sum of {x} and {y}?",
        "high_school_mathematics": "A train has {x} cars with {y} seats each. How many seats does it have?",
        "miscellaneous": "Which month comes {y} months after {month}?",
        "global_facts": "Which day of the week comes {y} days after {day}?",
    },
    "de": {
        "elementary_mathematics": "Was ist die Summe von {x} und {y}?",
        "high_school_mathematics": "Ein Zug hat {x} Wagen mit je {y} Plätzen. Wie viele Plätze hat er?",
        "miscellaneous": "Welcher Monat kommt {y} Monate nach {month}?",
        "global_facts": "Welcher Wochentag kommt {y} Tage nach {day}?",
    },
    "tr": {
        "elementary_mathematics": "{x} ile {y} sayılarının toplamı kaçtır?",
        "high_school_mathematics": "Bir trenin her birinde {y} koltuk olan {x} vagonu var. Trende kaç koltuk var?",
        "miscellaneous": "{month} ayından {y} ay sonra hangi ay gelir?",
        "global_facts": "{day} gününden {y} gün sonra haftanın hangi günü gelir?",
    },
}
"""By language and subject: the question."""
