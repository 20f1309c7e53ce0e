"""Words that stand beside people's names, for and against; in the languages of the sample."""

from __future__ import annotations

from curation.found import words

TITLES = words(
    """mr mrs ms miss mx dr prof professor sir madam lord lady saint st sgt lt capt captain president senator
    governor
    officer detective agent papa mama daddy lil dj mc sensei king queen prince princess pope coach uncle aunt
    auntie aunty grandma grandpa nana cousin sis bro brother sister
    herr frau onkel tante oma opa señor señora sr sra don doña tío tía seu dona tio tia monsieur madame mme
    maître
    oncle bapak ibu pak bu mas mbak kak bang om"""
)
KIN = words(
    """friend friends bestie bff buddy mate boyfriend girlfriend bf gf fiancé fiancée fiance partner husband
    wife hubby
    ex son daughter kid child baby cousin niece nephew neighbour neighbor roommate flatmate housemate coworker
    colleague boss manager teacher therapist landlord classmate crush dog cat named called
    freund freundin mann bruder schwester chef chefin kollege kollegin mitbewohner mitbewohnerin nachbar
    nachbarin sohn
    tochter lehrer lehrerin heißt heisst
    amigo amiga novio novia esposo esposa hermano hermana primo prima jefe jefa hijo hija vecino vecina llama
    namorado namorada marido irmão irmã chefe filho filha vizinho vizinha chama
    ami amie copain copine mari femme frère sœur soeur cousine patron patronne fils fille voisin voisine
    colocataire
    coloc prof appelle
    teman temen pacar suami istri kakak adik abang sepupu bos anak tetangga namanya"""
)
GREETINGS = words(
    """hi hey hello dear thanks thank sorry bye goodbye goodnight yo hiya heya morning night welcome congrats
    congratulations please ok okay lol omg haha yes no
    hallo servus liebe lieber danke tschüss
    hola gracias adiós querido querida oi olá obrigado obrigada tchau
    salut bonjour coucou merci cher chère halo hai makasih dek"""
)
ADDRESSED = words(
    """tell told telling ask asked asking text texted texting call called calling dm dmed message messaged
    email emailed
    met meet meeting miss missed hug hugged kiss kissed date dated dating marry married named said says thinks
    saw seen
    invite invited know hate forgive forgave dumped loves hates
    sage sag frag fragte rief dile pregunta pergunta fala diz dis demande bilang tanya"""
)
LINKS = words(
    """love much with by from and for to than & w feat ft like about between when if because while until since
    that did does is
    was has how where think believe guess hope
    mit von und para por con y com de e do da et avec chez par pour sama dari dan untuk ke fue foi c'est siapa
    por"""
)
DETERMINERS = words(
    """the a an this that these those some any every each no another which what our their its
    der die das ein eine einen dem den el la los las un una o a os as um uma le les des du"""
)
# In German every noun has a capital.
GERMAN = words("ich und der die das nicht ein eine ist du mit auf mir mich dich auch wir sie es zu den dem im")
NEVER = words(
    """im ive id ill dont didnt doesnt isnt arent wasnt werent wont cant couldnt wouldnt shouldnt havent hasnt
    hadnt aint
    thats whats hes shes theyre youre theres lets its univ i saya aku dia mereka anda kamu ibu bapak yaar whoa
    monsieur madame"""
)
PLACES = words("in at on near into across around visit visiting visited")
SPEAKS = words(
    """is was said says told asked has had did does wants wanted went goes came comes loves loved likes called
    texted
    thinks thought keeps kept got gets knows knew made makes sent sends gave gives just never always lives
    lived moved
    hates doesn't didn't isn't wasn't won't can't would will can and & who whose left died needs should
    was hat ist sagt es está fue dice disse é foi tem est a dit veut udah lagi bilang"""
)
THINGS = words(
    """street st road rd avenue ave lane drive boulevard blvd court city town county state university college
    school
    high hospital inc llc ltd corp co company companies group airlines airport bank hotel motel inn band movie
    film
    album song game games team tv show series book books magazine times news press records studios museum park
    stadium
    arena center centre river lake mountain island islands beach valley bay cup bowl league award awards prize
    foundation institute church cathedral bridge station square festival restaurant cafe bar store shop brand
    phone car truck championship tournament conference act law theory effect syndrome disease
    tech tank engine united fc
    straße platz weg calle avenida rua praia cidade rue boulevard ville jalan kota"""
)
PARTICLES = words("de da do dos das del della di la le van von der den ten ter bin binti ibn al el mac mc st y e")
AFTER_NAMES = words("jr sr ii iii iv md dds dvm phd esq cpa rn")

TO_YOU = words("thank love miss hate loved missed")
PRONOUNS = words("he she him her his hers he's she's herself himself")
AND = words("and & n y e et und dan or")
