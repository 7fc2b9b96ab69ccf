// The words of the page in German.

import type { WordKey } from './en.ts';

export const de: Readonly<Record<WordKey, string>> = {
  'nav.chat': 'Gespräch', 'nav.runs': 'Läufe', 'nav.models': 'Modelle', 'nav.main': 'Hauptnavigation', 'nav.skip': 'Zum Inhalt springen',
  'look.theme': 'Erscheinung', 'look.auto': 'Wie das System', 'look.light': 'Hell', 'look.dark': 'Dunkel', 'look.language': 'Sprache', 'menu': 'Einstellungen',
  'server.gone': 'Der Server ist nicht erreichbar. Sobald er antwortet, geht es hier weiter; ein Lauf, der trainiert, merkt davon nichts.',
  'error.again': 'Noch einmal versuchen', 'close': 'Schließen', 'cancel': 'Abbrechen', 'save': 'Speichern', 'delete': 'Löschen', 'back': 'Zurück',
  'login.title': 'Anmelden', 'login.name': 'Name', 'login.password': 'Passwort', 'login.go': 'Anmelden', 'logout': 'Abmelden',

  'notice.title': 'Sie sprechen mit einem KI-System.',
  'notice.text': 'Das Modell {model} läuft auf der Maschine dieses Servers, und was Sie schreiben, bleibt dort. Es macht Fehler: Prüfen Sie, worauf es ankommt.',
  'notice.contact': 'Fragen dazu: {contact}.',
  'training.never': 'Nichts, was hier geschrieben wird, dient dem Training.',
  'training.consent': 'Sie haben zugestimmt: Bewertungen in diesem Gespräch dürfen Trainingsdaten werden. Alles andere wird nicht verwendet.',
  'training.give': 'Bewertungen in diesem Gespräch freigeben', 'training.withdraw': 'Widerrufen',

  'chat.new': 'Neues Gespräch', 'chat.search': 'Gespräche durchsuchen', 'chat.list': 'Gespräche', 'chat.none': 'Noch keine Gespräche.', 'chat.nothing': 'Nichts gefunden.',
  'chat.hello': 'Fragen Sie, und sehen Sie ihm beim Denken zu.', 'chat.ask': 'Nachricht', 'chat.placeholder': '{model} fragen …', 'chat.send': 'Senden', 'chat.stop': 'Anhalten', 'chat.attach': 'Text, Markdown, CSV oder PDF anhängen',
  'chat.examples': 'Es hat Aufgaben wie diese gelernt:', 'chat.single': 'Es kennt keine Gespräche: Jede Frage steht für sich.',
  'chat.model': 'Modell', 'chat.step': 'Schritt {step}', 'chat.delete': 'Gespräch löschen', 'chat.delete.sure': 'Dieses Gespräch endgültig löschen?',
  'chat.export': 'Sichern als', 'chat.export.markdown': 'Markdown', 'chat.export.json': 'JSON', 'chat.open': 'Gespräche zeigen',
  'chat.nomodel': 'Es gibt noch kein Modell zum Sprechen.', 'chat.nomodel.training': 'Das erste wird gerade trainiert. Ab seinem ersten Zwischenstand können Sie mit ihm sprechen.', 'chat.nomodel.watch': 'Beim Lernen zusehen', 'chat.nomodel.train': 'Das erste trainieren', 'chat.nomodel.add': 'Ein Modell hinzufügen',
  'chat.loading': '{model} wird geladen …', 'chat.context': '{tokens} von {context} Token', 'chat.context.title': 'Wie viel vom Kontext dieses Gespräch einnimmt',
  'turn.you': 'Sie', 'turn.answer': 'Antwort', 'turn.copy': 'Kopieren', 'turn.copied': 'Kopiert', 'turn.again': 'Neu antworten', 'turn.edit': 'Ändern', 'turn.edit.send': 'Neu senden', 'turn.tokens': 'Wahrscheinlichkeiten', 'turn.tokens.hide': 'Wahrscheinlichkeiten ausblenden',
  'turn.good': 'Gute Antwort', 'turn.bad': 'Schlechte Antwort', 'turn.correct': 'Was wäre richtig gewesen?', 'turn.correct.label': 'Richtige Antwort', 'turn.rated': 'Bleibt als Rückmeldung nur bei diesem Gespräch.',
  'turn.stopped': 'angehalten', 'turn.length': 'abgeschnitten: kein Platz für mehr', 'turn.failed': 'misslungen: {error}', 'turn.empty': 'Es kam keine Antwort.',
  'thinking': 'Gedanken', 'thinking.show': 'Gedanken zeigen', 'thinking.hide': 'Gedanken verbergen', 'thinking.now': 'denkt …', 'thinking.budget': 'am Budget geschlossen', 'thinking.length': 'kam zu keinem Ende', 'thinking.none': 'ohne Nachdenken geantwortet',
  'unit.tokens': '{n} Token', 'unit.token.one': '1 Token', 'unit.seconds': '{n} s', 'unit.rate': '{n} Token/s', 'energy.title': 'Energie nach {method}',
  'live.thinking': 'Das Modell denkt nach.', 'live.answer': 'Antwort:', 'live.done': 'Antwort vollständig.',
  'token.of': '„{token}“ hatte {share}. Stattdessen wäre möglich gewesen:', 'token.pick': 'Wählen Sie ein Token, um zu sehen, was es hätte sein können.', 'token.none': 'Zu dieser Antwort sind keine Wahrscheinlichkeiten da. Sie kann mit ihrem Startwert noch einmal gegeben werden:', 'token.get': 'Noch einmal mit Wahrscheinlichkeiten',

  'set.title': 'Wie es antwortet', 'set.system': 'Systemanweisung', 'set.temperature': 'Temperatur', 'set.temperature.hint': '0: immer das wahrscheinlichste Token', 'set.top_p': 'Top-p', 'set.seed': 'Startwert', 'set.seed.hint': 'leer: jedes Mal ein neuer', 'set.max': 'Längste Antwort, Token', 'set.max.hint': 'leer: so lang der Kontext erlaubt',
  'set.thinking': 'Nachdenken', 'set.thinking.auto': 'Wie das Modell es tut', 'set.thinking.on': 'Immer', 'set.thinking.off': 'Nie', 'set.budget': 'Denkbudget, Token', 'set.budget.hint': 'leer: keine Grenze',
  'attach.tokens': '{n} von {context} Token', 'attach.counting': 'wird gezählt …', 'attach.remove': '{name} entfernen', 'attach.failed': '{name} ließ sich nicht lesen: {error}', 'attach.toolong': 'Das passt nicht: {tokens} Token, und der Kontext fasst {context}.',

  'runs.title': 'Läufe', 'runs.none': 'Noch keine Läufe.', 'runs.first': 'Trainieren Sie das erste Modell: von Zufallsgewichten zu einem, das nachdenkt, in wenigen Minuten.', 'runs.start': 'Quickstart trainieren', 'runs.compare': 'Vergleichen', 'runs.compare.hint': 'Wählen Sie Läufe, deren Kurven übereinander liegen sollen.', 'runs.choose': '{name} zum Vergleichen wählen',
  'run.status.running': 'trainiert', 'run.status.finished': 'fertig', 'run.status.failed': 'misslungen', 'run.status.aborted': 'angehalten', 'run.status.unfinished': 'unfertig',
  'run.step': 'Schritt', 'run.of': '{step} von {total}', 'run.left': 'Noch', 'run.time': 'Gearbeitet', 'run.speed': 'Tempo', 'run.energy': 'Energie', 'run.cost': 'Kosten', 'run.accuracy': 'Richtig', 'run.parameters': 'Parameter', 'run.tokens': 'Token', 'run.tokens.value': '{trained} gelesen, {sampled} erzeugt', 'run.cost.hint': 'Strom zu {price} je kWh',
  'run.stop': 'Anhalten', 'run.stopping': 'Hält nach diesem Schritt an …', 'run.resume': 'Fortsetzen', 'run.talk': 'Mit ihm sprechen', 'run.log': 'Was sein Prozess sagte', 'run.recipe': 'Rezept', 'run.failed': 'Der Lauf ist misslungen.', 'run.gone': 'Einen Lauf dieses Namens gibt es nicht.', 'run.waiting': 'Vorbereitung: Die Maschine wird mit einigen Schritten vermessen …',
  'stage.sft': 'Vormachen', 'stage.grpo': 'Verstärkung', 'stage.pretrain': 'Vortraining',
  'thoughts.title': 'Zusehen, wie es denken lernt', 'thoughts.text': 'Dieselben Aufgaben, immer wieder, mit den Gedanken dieses Schritts.', 'thoughts.at': 'Schritt', 'thoughts.step': 'Schritt {step}', 'thoughts.play': 'Abspielen', 'thoughts.pause': 'Pause', 'thoughts.follow': 'Mitgehen', 'thoughts.none': 'Die ersten Gedanken kommen gleich.', 'thoughts.right': 'richtig', 'thoughts.wrong': 'falsch', 'thoughts.expected': 'erwartet {answer}', 'thoughts.nothought': 'kein Gedanke', 'thoughts.noanswer': 'keine Antwort', 'thoughts.score': '{right} von {n} richtig', 'thoughts.accuracy': '{share} ungesehener Aufgaben', 'thoughts.before': 'vor der Verstärkung', 'thoughts.after': 'am Ende', 'thoughts.after_without_thinking': 'ohne nachdenken zu dürfen',
  'curve.loss': 'Verlust', 'curve.reward': 'Belohnung', 'curve.length': 'Länge einer Antwort', 'curve.dead_groups': 'Gruppen ohne Signal', 'curve.tokens_per_s': 'Token je Sekunde', 'curve.joules': 'Joule je Schritt', 'curve.accuracy': 'Richtig, ungesehene Aufgaben', 'curve.entropy': 'Entropie', 'curve.none': 'Noch keine Werte.', 'curve.summary': '{name}: {last} bei Schritt {step}, zwischen {low} und {high}.',
  'curves.title': 'Kurven',

  'models.title': 'Modelle', 'models.free': '{free} Speicher frei', 'models.none': 'Noch keine Modelle.', 'models.add': 'GGUF-Datei hinzufügen', 'models.adding': '{name} kommt hinzu: {share}', 'models.load': 'Laden', 'models.unload': 'Entladen', 'models.remove': 'Löschen', 'models.remove.sure': '{name} von dieser Maschine löschen?', 'models.talk': 'Sprechen',
  'model.state.here': 'auf der Platte', 'model.state.loading': 'wird geladen …', 'model.state.loaded': 'geladen', 'model.state.failed': 'ließ sich nicht laden', 'model.state.unreadable': 'nicht lesbar',
  'model.from.run': 'hier trainiert', 'model.from.checkpoint': 'wird hier trainiert', 'model.from.file': 'Datei', 'model.licence': 'Lizenz', 'model.licence.none': 'in der Datei nicht genannt', 'model.licence.own': 'Ihr eigenes', 'model.size': 'Größe', 'model.parameters': 'Parameter', 'model.context': 'Kontext', 'model.memory': 'Speicher', 'model.fits': 'passt', 'model.fitsnot': 'passt nicht: braucht {bytes}', 'model.speed': 'Tempo', 'model.speed.measured': '{n} Token/s, gemessen', 'model.speed.bandwidth': 'höchstens {n} Token/s, nach der Bandbreite des Speichers', 'model.speed.unknown': 'noch nicht gemessen', 'model.made': 'Entstanden', 'model.hash': 'Gewichte (SHA-256)', 'model.tokens': '{n} Token',

  'house.title': 'Dieses Haus', 'house.contact': 'Ansprechstelle für Fragen zu diesem System', 'house.retention': 'Gespräche löschen, die so viele Tage ruhen', 'house.retention.hint': 'leer: sie bleiben', 'house.feedback': 'Bewertungen dürfen Trainingsdaten werden, wo die Person zugestimmt hat', 'house.collect': 'Bewertungen einsammeln', 'house.collected': '{n} Bewertungen von {authors} Personen nach {path} geschrieben.', 'own.title': 'Ihre Rückmeldungen', 'own.count': '{n} Ihrer Bewertungen dürfen Trainingsdaten werden.', 'own.export': 'Ansehen', 'own.erase': 'Widerrufen und löschen', 'own.erased': 'Gelöscht; Ihre Zustimmung gilt nirgends mehr.', 'house.saved': 'Gespeichert.', 'house.version': 'tiefsuche {version}, {user}',
};
