// The words of the page in English. The other languages have the same keys, checked by their type.

export const en = {
  'nav.chat': 'Chat', 'nav.runs': 'Runs', 'nav.models': 'Models', 'nav.house': 'House', 'nav.main': 'Main', 'nav.skip': 'Skip to the content',
  'look.theme': 'Appearance', 'look.auto': 'As the system', 'look.light': 'Light', 'look.dark': 'Dark', 'look.language': 'Language', 'menu': 'Settings',
  'server.gone': 'The server cannot be reached. This page goes on as soon as it answers; a run that trains is not affected.',
  'server.lost': 'the connection to the server broke',
  'error.wrong_password': 'The name or the password is wrong.', 'error.too_many_attempts': 'There were too many attempts. Please wait a while.', 'error.operator_only': 'This is for operators.', 'error.oneself': 'Nobody removes themself or takes their own role: another operator does.', 'error.already_running': 'It is being trained already.', 'error.not_running': 'Nobody trains it just now.', 'error.feedback_off': 'Collecting ratings is switched off.',
  'close': 'Close', 'cancel': 'Cancel', 'save': 'Save',
  'login.name': 'Name', 'login.password': 'Password', 'login.go': 'Log in', 'logout': 'Log out',

  'notice.title': 'You are talking to an AI system.',
  'notice.text': 'The model {model} runs on the machine of this server, and what you write stays there. It makes mistakes: check what matters.',
  'notice.contact': 'Questions about it: {contact}.',
  'training.never': 'Nothing typed here is used for training.',
  'training.consent': 'You agreed: ratings in this conversation may become training data. Everything else is not used.',
  'training.give': 'Let ratings in this conversation be used', 'training.withdraw': 'Withdraw',

  'chat.new': 'New conversation', 'chat.search': 'Search conversations', 'chat.list': 'Conversations', 'chat.none': 'No conversations yet.', 'chat.nothing': 'Nothing found.',
  'chat.hello': 'Ask, and watch it think.', 'chat.ask': 'Message', 'chat.placeholder': 'Ask {model} …', 'chat.send': 'Send', 'chat.stop': 'Stop', 'chat.attach': 'Attach text, Markdown, CSV or PDF',
  'chat.examples': 'It learned problems like these:', 'chat.single': 'It knows no conversations: each question stands alone.',
  'chat.model': 'Model', 'chat.step': 'step {step}', 'chat.delete': 'Delete conversation', 'chat.delete.sure': 'Delete this conversation for good?',
  'chat.export': 'Export', 'chat.export.markdown': 'Markdown', 'chat.export.json': 'JSON', 'chat.open': 'Show conversations',
  'chat.nomodel': 'There is no model to talk with yet.', 'chat.nomodel.training': 'The first one is being trained. You can talk with it from its first checkpoint on.', 'chat.nomodel.watch': 'Watch it learn', 'chat.nomodel.train': 'Train the first one', 'chat.nomodel.add': 'Add a model',
  'chat.loading': 'Loading {model} …', 'chat.context': '{tokens} of {context} tokens', 'chat.context.title': 'How much of the context this conversation takes',
  'turn.you': 'You', 'turn.answer': 'Answer', 'turn.copy': 'Copy', 'turn.copied': 'Copied', 'turn.again': 'Regenerate', 'turn.edit': 'Edit', 'turn.ask': 'Get an answer', 'turn.edit.send': 'Send again', 'turn.tokens': 'Probabilities', 'turn.tokens.hide': 'Hide probabilities',
  'turn.good': 'Good answer', 'turn.bad': 'Bad answer', 'turn.correct': 'What would have been right?', 'turn.rated': 'Kept as feedback with this conversation only.',
  'turn.stopped': 'stopped', 'turn.length': 'cut off: no room for more', 'turn.failed': 'failed: {error}', 'turn.empty': 'No answer came.',
  'thinking': 'Thinking', 'thinking.show': 'Show thinking', 'thinking.hide': 'Hide thinking', 'thinking.now': 'thinking …', 'thinking.budget': 'closed at its budget', 'thinking.length': 'never came to an end', 'thinking.none': 'answered without thinking',
  'unit.tokens': '{n} tokens', 'unit.token.one': '1 token', 'unit.rate': '{n} tokens/s', 'energy.title': 'Energy by {method}',
  'live.thinking': 'The model is thinking.', 'live.answer': 'Answer:', 'live.done': 'Answer complete.',
  'token.of': '“{token}” had {share}. Instead it could have been:', 'token.pick': 'Choose a token to see what it could have been.', 'token.none': 'No probabilities are kept for this answer. It can be given once more with its seed:', 'token.get': 'Give it again with probabilities',

  'set.title': 'How it answers', 'set.system': 'System prompt', 'set.temperature': 'Temperature', 'set.temperature.hint': '0: always the likeliest token', 'set.top_p': 'Top-p', 'set.seed': 'Seed', 'set.seed.hint': 'empty: a new one each time', 'set.max': 'Longest answer, tokens', 'set.max.hint': 'empty: as the context allows',
  'set.thinking': 'Thinking', 'set.thinking.auto': 'As the model does', 'set.thinking.on': 'Always', 'set.thinking.off': 'Never', 'set.budget': 'Thinking budget, tokens', 'set.budget.hint': 'empty: no bound',
  'attach.tokens': '{n} of {context} tokens', 'attach.counting': 'counting …', 'attach.remove': 'Remove {name}', 'attach.failed': '{name} could not be read: {error}', 'attach.toolong': 'This does not fit: {tokens} tokens, and the context takes {context}.',

  'runs.title': 'Runs', 'runs.none': 'No runs yet.', 'runs.first': 'Train the first model: from random weights to one that thinks, in a few minutes.', 'runs.start': 'Train the quickstart', 'runs.compare': 'Compare', 'runs.compare.hint': 'Choose runs to lay their curves over each other.', 'compare.outcomes': 'Outcomes', 'compare.status': 'State', 'runs.choose': 'Choose {name} to compare',
  'run.status.running': 'training', 'run.status.finished': 'finished', 'run.status.failed': 'failed', 'run.status.aborted': 'stopped', 'run.status.unfinished': 'unfinished',
  'run.step': 'Step', 'run.of': '{step} of {total}', 'run.left': 'Still', 'run.time': 'Worked', 'run.speed': 'Speed', 'run.energy': 'Energy', 'run.cost': 'Cost', 'run.accuracy': 'Right', 'run.parameters': 'Parameters', 'run.tokens': 'Tokens', 'run.tokens.value': '{trained} read, {sampled} sampled', 'run.cost.hint': 'electricity at {price} a kWh',
  'run.stop': 'Stop', 'run.stopping': 'Stopping after this step …', 'run.resume': 'Go on', 'run.talk': 'Talk with it', 'run.log': 'What its process said', 'run.recipe': 'Recipe', 'run.failed': 'The run failed.', 'run.crashed': 'The process that trained it ended without a word. Everything up to its last checkpoint is kept, and it can go on from there.', 'run.starting': 'Its process starts …', 'run.gone': 'There is no run of this name.', 'run.waiting': 'Preparing: the machine is measured with a few steps …',
  'stage.sft': 'Demonstrations', 'stage.grpo': 'Reinforcement', 'stage.pretrain': 'Pre-training',
  'thoughts.title': 'Watch it learn to think', 'thoughts.text': 'The same problems, again and again, with the thoughts of that step.', 'thoughts.at': 'Step', 'thoughts.step': 'step {step}', 'thoughts.play': 'Play', 'thoughts.pause': 'Pause', 'thoughts.follow': 'Follow', 'thoughts.none': 'The first thoughts come in a moment.', 'thoughts.right': 'right', 'thoughts.wrong': 'wrong', 'thoughts.expected': 'expected {answer}', 'thoughts.nothought': 'no thought', 'thoughts.noanswer': 'no answer', 'thoughts.score': '{right} of {n} right', 'thoughts.accuracy': '{share} of unseen problems', 'thoughts.before': 'before reinforcement', 'thoughts.after': 'at the end', 'thoughts.after_without_thinking': 'forced not to think',
  'curve.loss': 'Loss', 'curve.reward': 'Reward', 'curve.length': 'Length of an answer', 'curve.dead_groups': 'Groups without signal', 'curve.tokens_per_s': 'Tokens a second', 'curve.joules': 'Joules a step', 'curve.accuracy': 'Right, unseen problems', 'curve.none': 'No values yet.', 'curve.summary': '{name}: {last} at step {step}, between {low} and {high}.',
  'curves.title': 'Curves',

  'models.title': 'Models', 'models.free': '{free} of memory free', 'models.none': 'No models yet.', 'models.add': 'Add a GGUF file', 'models.adding': 'Adding {name}: {share}', 'models.load': 'Load', 'models.unload': 'Unload', 'models.remove': 'Delete', 'models.remove.sure': 'Delete {name} from this machine?', 'models.talk': 'Talk',
  'model.state.here': 'on disk', 'model.state.loading': 'loading …', 'model.state.loaded': 'loaded', 'model.state.failed': 'could not be loaded', 'model.state.unreadable': 'cannot be read',
  'model.from.run': 'trained here', 'model.from.checkpoint': 'being trained here', 'model.from.file': 'file', 'model.licence': 'Licence', 'model.licence.none': 'not stated in the file', 'model.licence.own': 'yours', 'model.size': 'Size', 'model.parameters': 'Parameters', 'model.context': 'Context', 'model.memory': 'Memory', 'model.fits': 'fits', 'model.fitsnot': 'does not fit: needs {bytes}', 'model.speed': 'Speed', 'model.speed.measured': '{n} tokens/s, measured', 'model.speed.bandwidth': 'at most {n} tokens/s, by the memory’s bandwidth', 'model.speed.unknown': 'not measured yet', 'model.made': 'Made', 'model.hash': 'Weights (SHA-256)', 'model.tokens': '{n} tokens',

  'house.title': 'This house', 'house.rules': 'Rules', 'house.users': 'Users', 'house.audit': 'Records',
  'house.contact': 'Contact for questions about this system', 'house.contact.hint': 'shown before the first answer', 'house.retention': 'Delete conversations untouched for so many days', 'house.retention.hint': 'empty: they are kept', 'house.feedback': 'Ratings may become training data, where the person agreed', 'house.collect': 'Collect ratings', 'house.collected': '{n} ratings of {authors} people written to {path}.', 'house.saved': 'Saved.',
  'own.all.title': 'Your conversations', 'own.all.text': 'They are kept on this server, for you alone.', 'own.all.retention': 'What lies untouched for {days} days is deleted.', 'own.all.export': 'Export all', 'own.all.erase': 'Delete all', 'own.all.sure': 'Delete all your conversations and ratings for good?', 'own.all.erased': 'Deleted: {n}.',
  'own.title': 'Your feedback', 'own.count': '{n} of your ratings may become training data.', 'own.export': 'Show them', 'own.erase': 'Withdraw and erase', 'own.erased': 'Erased; you agree to nothing any more.', 'own.version': 'tiefsuche {version}, {user}',
  'own.password': 'Change password', 'own.password.old': 'Password until now', 'own.password.new': 'New password', 'own.password.done': 'Changed; other logins of yours have ended.',

  'users.none': 'No users yet: this server answers this machine alone, without a login. With the first one, an operator, everybody logs in, this machine too; conversations held before belong to nobody then, so export what you want to keep.', 'users.you': 'you', 'users.role': 'Role', 'users.role.hint': 'operators look after models, runs and users', 'users.role.user': 'user', 'users.role.operator': 'operator',
  'users.added': 'added {time}', 'users.login.password': 'logs in by password', 'users.login.none': 'no login by password', 'users.keys': 'Keys', 'users.key.new': 'New key', 'users.key.new.for': 'New key for {name}', 'users.key.label': 'What is it for?', 'users.key.make': 'Make the key', 'users.key.once': 'This key is shown once. It opens the models, not the conversations.', 'users.key.done': 'Done', 'users.key.revoke': 'Revoke', 'users.key.revoke.of': 'Revoke key {id}', 'users.key.revoke.sure': 'Revoke the key {id} of {name}? Programs that use it are out at once.',
  'users.remove': 'Remove {name}', 'users.remove.text': '{name} is out at once, and so are the keys.', 'users.remove.conversations': 'Delete the conversations and ratings, too', 'users.remove.go': 'Remove', 'users.earlier': 'There was a {name} before', 'users.earlier.text': 'Conversations of an earlier {name} are kept here. Whoever has the name can read them.', 'users.earlier.delete': 'Delete them', 'users.earlier.keep': 'Keep them: it is the same person',
  'users.add': 'Add someone', 'users.add.first': 'Add the first operator', 'users.add.go': 'Add', 'users.name.hint': 'small letters and digits', 'users.password.hint': '10 characters or more', 'users.nopassword': 'No password: for programs with a key, or who comes through a proxy',

  'audit.recording.off': 'This server keeps no record of its answers; started with --audit it would.', 'audit.recording.figures': 'Of every answer this server records who asked, which model, and what it took. No texts.', 'audit.recording.texts': 'Of every answer this server records who asked, which model, what it took, and the texts. The texts are in its files and are not shown here.',
  'audit.from': 'From (UTC)', 'audit.to': 'To', 'audit.user': 'User', 'audit.user.all': 'everyone', 'audit.refresh': 'Refresh', 'audit.none': 'No records in these days.', 'audit.sums': 'By user and model', 'audit.total': 'Together', 'audit.records': 'Answers', 'audit.more': 'the latest {n}', 'audit.time': 'Time', 'audit.answers': 'Answers', 'audit.prompt': 'Tokens read', 'audit.completion': 'Tokens written', 'audit.reasoning': 'of these thought', 'audit.seconds': 'Took', 'audit.end': 'Ended',
  'audit.end.stop': 'by itself', 'audit.end.length': 'at the length', 'audit.end.tool_calls': 'with a call', 'audit.end.client': 'left', 'audit.end.refused': 'refused', 'audit.end.embedding': 'vectors',
  'audit.purge': 'Delete records', 'audit.purge.text': 'There are records from {from} to {to} (days: {n}).', 'audit.purge.before': 'All days before', 'audit.purge.ask': 'Delete …', 'audit.purge.nothing': 'There are none.', 'audit.purge.sure': 'Everyone’s records from {from} to {to} (days: {n}) are deleted for good.', 'audit.purge.go': 'Delete for good', 'audit.purge.done': 'Deleted (days: {n}).',
} as const;

export type WordKey = keyof typeof en;
