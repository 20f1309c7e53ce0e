"""Names and words that stand in for others, by language: common ones, so that they point at nobody."""

from __future__ import annotations

from typing import NamedTuple


class Names(NamedTuple):
    """Given names of women and of men, and surnames, of one language and script."""

    female: tuple[str, ...]
    male: tuple[str, ...]
    surnames: tuple[str, ...]


def _list(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _names(female: str, male: str, surnames: str) -> Names:
    return Names(_list(female), _list(male), _list(surnames))


NAMES = {
    "en": _names(
        """Emily Sarah Jessica Laura Megan Hannah Rachel Amanda Nicole Samantha Lauren Ashley Stephanie Rebecca Katie
        Heather Michelle Kimberly Julia Melissa Natalie Amy Sophie Chloe Olivia Erin Abigail Caroline""",
        """James Daniel Matthew Ryan Andrew Joshua Nathan Kyle Brian Jason Eric Adam Thomas Benjamin Kevin Steven
        Timothy Samuel Patrick Sean Gregory Kenneth Alexander Jonathan Peter Simon Oliver Callum""",
        """Miller Anderson Thompson Harris Robinson Walker Mitchell Roberts Campbell Edwards Collins Stewart Murphy
        Richardson Peterson Sullivan Henderson Coleman Jenkins Patterson Hughes Simmons Foster Griffin Hayes
        Sanders""",
    ),
    "de": _names(
        """Lena Julia Katharina Sabine Claudia Franziska Johanna Miriam Carolin Svenja Nadine Melanie Anja Birgit Heike
        Silke Kerstin Antonia Greta Frieda Theresa Annika""",
        """Lukas Jonas Felix Tobias Sebastian Matthias Florian Andreas Stefan Markus Jürgen Uwe Dieter Holger Torsten
        Niklas Moritz Philipp Hannes Benedikt Fabian Leon""",
        """Schmidt Schneider Fischer Weber Wagner Becker Hoffmann Schulz Bauer Krüger Hartmann Werner Krause Lehmann
        Köhler Herrmann Walter Kaiser Peters Scholz Möller Vogel""",
    ),
    "fr": _names(
        """Camille Manon Chloé Léa Inès Margaux Élodie Aurélie Céline Sandrine Nathalie Véronique Juliette Pauline
        Mathilde Clémence Charlotte Amandine Solène Noémie""",
        """Lucas Hugo Théo Antoine Nicolas Julien Maxime Guillaume Mathieu Sébastien Laurent Olivier Thierry Frédéric
        Étienne Baptiste Romain Quentin Adrien Bastien""",
        """Moreau Laurent Lefebvre Fournier Girard Bonnet Dupuis Fontaine Rousseau Chevalier Garnier Faure Mercier
        Renard Barbier Perrin Morel Gauthier Dumont Brunet""",
    ),
    "es": _names(
        """Lucía Valeria Camila Daniela Mariana Fernanda Gabriela Alejandra Andrea Paola Carolina Verónica Claudia
        Silvia Patricia Beatriz Elena Isabel Natalia Ximena""",
        """Diego Javier Alejandro Fernando Ricardo Eduardo Roberto Andrés Sergio Raúl Héctor Óscar Iván Rubén Emilio
        Mateo Gustavo Ignacio Rodrigo Pablo""",
        """Martínez Hernández Gómez Ramírez Vargas Castillo Jiménez Rojas Mendoza Aguilar Ortega Guerrero Salazar
        Delgado Vega Navarro Fuentes Cabrera Montoya Herrera""",
    ),
    "pt": _names(
        """Juliana Fernanda Camila Larissa Beatriz Mariana Letícia Amanda Bruna Gabriela Patrícia Vanessa Renata
        Tatiane Débora Cláudia Isabela Raquel Luana Natália""",
        """Rafael Lucas Thiago Felipe Gustavo Bruno Rodrigo Leonardo Marcelo Eduardo Vinícius Matheus Caio Henrique
        Renato Fábio Otávio Murilo Diogo Caetano""",
        """Oliveira Souza Pereira Ferreira Almeida Ribeiro Carvalho Gomes Martins Araújo Barbosa Cardoso Nascimento
        Moreira Teixeira Correia Mendes Freitas Nogueira Tavares""",
    ),
    "it": _names(
        """Giulia Chiara Francesca Martina Federica Alessia Valentina Elisa Ilaria Silvia Paola Roberta Simona Arianna
        Giorgia Camilla Beatrice Elena""",
        """Marco Andrea Luca Matteo Lorenzo Alessandro Davide Simone Federico Riccardo Stefano Gabriele Tommaso Filippo
        Giacomo Nicola Emanuele Diego""",
        """Romano Colombo Ricci Marino Greco Gallo Conti Mancini Lombardi Moretti Barbieri Santoro Rinaldi Caruso
        Ferrara Martini Leone Longo""",
    ),
    "nl": _names(
        "Sanne Lotte Femke Anouk Marloes Iris Fleur Maaike Ilse Marieke Esther Saskia Wendy Annemiek Roos Noortje",
        "Daan Sem Thijs Bram Jeroen Sander Maarten Joost Wouter Pieter Ruben Niels Koen Gijs Stijn Teun",
        """Jansen Bakker Visser Smit Meijer Mulder Bos Vos Peters Hendriks Dekker Brouwer Dijkstra Kuiper Postma
        Veenstra""",
    ),
    "pl": _names(
        "Magdalena Agnieszka Katarzyna Joanna Monika Ewelina Karolina Paulina Natalia Aleksandra Zofia Hanna",
        "Tomasz Paweł Marcin Michał Krzysztof Łukasz Jakub Mateusz Kamil Wojciech Bartosz Szymon",
        """Wiśniewski Wójcik Lewandowski Zieliński Szymański Dąbrowski Kozłowski Mazur Krawczyk Grabowski Pawlak""",
    ),
    "id": _names(
        "Siti Rina Wulan Ayu Fitri Indah Lestari Maya Nurul Ratna Yuni Dian Intan Citra Rini Tari",
        "Budi Agus Andi Rizky Hendra Bayu Dimas Fajar Arif Joko Yusuf Iwan Reza Galih Rahmat Teguh",
        """Wijaya Santoso Saputra Hidayat Nugroho Setiawan Kusuma Pratama Gunawan Susanto Permana Siregar Harahap
        Wibowo""",
    ),
    "ja": _names(
        "美咲 陽子 恵子 結衣 真由美 香織 由美 彩花 直美 千尋 和子 明美",
        "健太 大輔 翔太 拓也 直樹 和也 達也 雄大 浩二 修一 正人 祐介",
        "佐藤 鈴木 高橋 渡辺 伊藤 中村 小林 加藤 吉田 山本 松本 井上 木村 清水 斎藤 森田",
    ),
    "kana": _names(
        "サクラ ヒナ ユイ アオイ ミサキ ナナミ カオリ リサ エミ マユ",
        "ハルト ユウタ ケンタ ソラ リク タクヤ ダイキ コウジ ショウ レン",
        "サトウ スズキ タカハシ ワタナベ イトウ ナカムラ コバヤシ カトウ ヨシダ ヤマモト",
    ),
    "ko": _names(
        "지영 수진 은지 혜진 민지 서연 하은 지우 유진 미경 현정 소영",
        "민준 서준 도윤 예준 지훈 현우 성민 동현 준호 상우 태현 영수",
        "김 이 박 최 정 강 조 윤 장 임 한 오",
    ),
    "ru": _names(
        "Ольга Елена Наталья Ирина Татьяна Светлана Екатерина Марина Юлия Дарья Полина Ксения",
        "Сергей Дмитрий Алексей Андрей Максим Евгений Павел Кирилл Роман Олег Игорь Никита",
        "Смирнов Кузнецов Попов Васильев Петров Соколов Михайлов Новиков Фёдоров Морозов Волков Лебедев",
    ),
    "el": _names(
        "Ελένη Κατερίνα Σοφία Δήμητρα Βασιλική Ιωάννα",
        "Γιώργος Νίκος Δημήτρης Κώστας Γιάννης Παύλος",
        "Παπαδόπουλος Γεωργίου Δημητρίου Οικονόμου Νικολάου Αντωνίου",
    ),
    "ar": _names(
        "فاطمة عائشة مريم نور ليلى سارة هدى زينب",
        "محمد أحمد علي عمر خالد يوسف حسن إبراهيم",
        "حداد نجار خوري منصور سالم ناصر فارس صالح",
    ),
    "he": _names(
        "נועה תמר שירה יעל מאיה רחל",
        "דוד יוסף משה אורי איתן עומר",
        "כהן לוי מזרחי פרץ ביטון אברהם",
    ),
    "hi": _names(
        "प्रिया नेहा पूजा अंजलि सुनीता कविता रितु सीमा",
        "राहुल अमित विकास संजय राजेश सुनील अनिल रोहित",
        "शर्मा वर्मा गुप्ता सिंह यादव पटेल मिश्रा जोशी",
    ),
    "zh": _names(
        "小丽 婷婷 静怡 雪梅 佳慧 美玲 晓燕 玉兰",
        "志强 建国 伟明 浩然 俊杰 文博 子轩 国华",
        "王 李 张 刘 陈 杨 赵 黄 周 吴",
    ),
    "th": _names(
        "สมหญิง มาลี สุดา นภา วรรณา อรทัย",
        "สมชาย ประเสริฐ วิชัย อนันต์ สุรชัย ธนา",
        "ใจดี ศรีสุข ทองดี แสงทอง บุญมี วงศ์ดี",
    ),
}  # fmt: skip

# Words that account names and mail addresses are made of.
HANDLES = _list(
    """river maple cloud pixel comet amber lotus ember willow falcon meadow breeze cedar harbor indigo juniper lantern
    marble nimbus orchid pepper quartz raven saffron tulip velvet winter zephyr acorn birch coral dune fern
    glade"""
)
# Words that streets and towns are called by, by language.
STREETS = {
    "en": _list("Maple Oakwood Birch Willow Cedar Elm Chestnut Hawthorn Linden Juniper Alder Rowan Aspen Hazel"),
    "de": _list("Linden Garten Birken Eichen Rosen Wiesen Buchen Ahorn Kastanien Erlen Tannen Ulmen"),
    "fr": _list("Tilleuls Érables Lilas Acacias Peupliers Cerisiers Glycines Marronniers Platanes Mimosas"),
    "es": _list("Olivos Jazmines Nogales Fresnos Encinas Almendros Naranjos Sauces Laureles Cedros"),
    "pt": _list("Acácias Ipês Palmeiras Jacarandás Mangueiras Hortênsias Orquídeas Cajueiros Jasmins Cedros"),
    "it": _list("Tigli Ulivi Pini Betulle Querce Castagni Gelsi Aceri Cipressi Salici"),
    "nl": _list("Linden Eiken Beuken Wilgen Populieren Kastanje Esdoorn Berken Iepen Elzen"),
    "id": _list("Melati Mawar Kenanga Cempaka Anggrek Flamboyan Dahlia Teratai Kamboja Bougenville"),
}
# Up to the number, where addresses go from large to small.
BLOCKS = {
    "ja": _list("東京都中央区桜台 大阪府北区緑町 愛知県中区若葉 福岡県南区花園 北海道西区青葉 京都府東区松原"),
    "ko": tuple(f"{block} " for block in _list("은행나무로 소나무로 단풍길 매화로 국화길 벚꽃로")),
    "zh": _list("桂花路 银杏街 梧桐路 樱花街 翠竹路 丁香街"),
}
MONTHS = tuple(
    _list(line)
    for line in [
        "January February March April May June July August September October November December",
        "    Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "    Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
        "    janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
        "    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
        "    janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
        "    gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
        "    Januari Februari Maret April Mei Juni Juli Agustus September Oktober November Desember",
    ]
)
