"""Running a job file: its names, include(), and what is wrong when it fails."""

_PYSTACHIO = (
    'String Integer Float Boolean Enum Choice List Map Struct Required Default Empty Ref Environment Namable '
    'MustacheParser Type TypeCheck TypeFactory').split()
_HELPERS = 'BYTES KB MB GB TB AURORA_EXECUTOR_NAME Options Processes Tasks Units SequentialTask SimpleTask'.split()


def _modules():
    """The names of job files by the module that upstream has them in."""
    own = globals()
    pystachio = dict((name, own[name]) for name in _PYSTACHIO)
    pystachio['sys'] = sys
    schema = dict(pystachio)
    schema.update((name, own[name]) for name in _HELPERS)
    schema.update(_schema)
    schema.update(
        order=Processes.order,
        combine_tasks=Tasks.combine,
        concat_tasks=Tasks.concat,
        java_options=Options.java,
        python_options=Options.python)
    return pystachio, schema


def _reduce(function, items, *initial):
    """functools.reduce, whose module takes longer to load than most files to run."""
    found = iter(items)
    if initial:
        value, = initial
    else:
        try:
            value = next(found)
        except StopIteration:
            raise TypeError('reduce() of empty iterable with no initial value') from None
    for item in found:
        value = function(value, item)
    return value


def leave():
    """What is left to do for the files: what they registered, and what they printed."""
    if 'atexit' in sys.modules:
        sys.modules['atexit']._run_exitfuncs()
    sys.stderr.flush()


def _install():
    """Makes the names importable, and adds what Python 2 had and files still use."""
    import builtins

    class Module(type(sys)):
        pass

    pystachio, schema = _modules()
    for name in ('apache', 'apache.thermos', 'apache.thermos.config', 'apache.thermos.config.schema',
                 'apache.aurora', 'apache.aurora.config', 'apache.aurora.config.schema',
                 'apache.aurora.config.schema.base', 'pystachio'):
        module = Module(name)
        module.__path__ = []
        if name == 'pystachio':
            module.__dict__.update(pystachio)
        elif name.endswith(('thermos.config.schema', 'schema.base')):
            module.__dict__.update(schema)
        sys.modules[name] = module
        parent, _, child = name.rpartition('.')
        if parent:
            setattr(sys.modules[parent], child, module)
    builtins.xrange = range
    builtins.unicode = str
    builtins.basestring = str
    builtins.long = int
    builtins.unichr = chr
    builtins.raw_input = input
    builtins.reduce = _reduce
    return schema


_seed = _install()
# Standard output carries the answer of this program.
sys.stdout = sys.stderr
_files = {}


def _execute(path, source, environment):
    _files[path] = source
    line = _native.add_file(path, source)
    if line is not None:
        raise SyntaxError('too many nested parentheses', (path, line, None, None))
    exec(compile(source, path, 'exec'), environment)


def _read(path):
    with open(path, encoding='utf-8') as fp:
        return fp.read()


def load(path, source, sources, exports):
    """Runs a job file: ('ok', its names, what it exports) or ('error', what is wrong).

    `sources` is what may be included: None for files, False for nothing, else texts by upstream's keys. `exports` says
    whether there is export().
    """
    environment = dict(_seed)
    environment['__builtins__'] = __import__('builtins')
    stack = [path]
    exported = []

    def include(file_name):
        import os.path
        if sources is False:
            raise ValueError('You may not include() anything from filelike objects.')
        if len(stack) > 40:
            raise ValueError('include(%r) is nested more than 40 levels: do files include one another?' % file_name)
        actual = os.path.join(os.path.dirname(stack[-1]), file_name)
        if sources is None:
            text = _read(actual)
        else:
            text = sources.get('%s\0%s' % (stack[-1], file_name))
            if text is None:
                raise ValueError('the bundle has nothing for include(%r) in %s' % (file_name, stack[-1]))
        stack.append(actual)
        try:
            _execute(actual, text, environment)
        finally:
            stack.pop()

    def export(task):
        exported.append(_Task(task) if isinstance(task, dict) else task)

    environment['include'] = include
    if exports:
        environment['export'] = export
    try:
        _execute(path, source, environment)
        return 'ok', environment, exported
    except BaseException as error:
        return 'error', describe(error)


_PYTHON2 = (
    (r'^\s*print\s+[^(=\s]', "Python 2's print statement is not supported: write print(...)"),
    (r'^\s*except\s+[\w.]+\s*,\s*\w+\s*:', 'Python 2 syntax: write `except Error as name:`'),
    (r'^\s*exec\s+[^(]', 'Python 2 syntax: write exec(...)'),
    (r'<>', 'Python 2 syntax: write != instead of <>'),
    (r'\b0[0-7]+\b', 'Python 2 syntax: octal numbers are written 0o755'),
    (r'`', 'Python 2 syntax: write repr(...) instead of backticks'),
    (r"\bur['\"]", "Python 2 syntax: write r'...' instead of ur'...'"),
    (r'^\s*raise\s+\w+\s*,', 'Python 2 syntax: write raise Error(message)'),
)
_UNKNOWN = {
    'Packer': 'Packer was internal to Twitter; put the fetching into a process',
    'Stats': 'Stats was internal to Twitter; remove it',
    'jvm_process': 'there is no jvm_process in the schema; use java_options(...) in a cmdline',
    'MesosFetcherURI': 'the fetcher has no name in job files; put the fetching into a process',
    'Profile': 'define it: class Profile(Struct): ...',
}


_GONE = {
    'iteritems': 'items', 'itervalues': 'values', 'iterkeys': 'keys', 'has_key': '`key in mapping`',
}


def _near(word, known):
    found = _native.near(word, known)
    return 'did you mean %s?' % found if found else None


def _hint(error, line_text):
    import re
    message = str(error)
    if isinstance(error, SyntaxError):
        for pattern, hint in _PYTHON2:
            if re.search(pattern, line_text or ''):
                return hint
    if isinstance(error, InvalidRefError):
        return ('text between double braces must be an address such as {{mesos.instance}}, without blanks; '
                'build other double braces at run time, or write them in a file of their own')
    if isinstance(error, NameError):
        word = message.split("'")[1:2]
        return _UNKNOWN.get(word[0]) or _near(word[0], ', '.join(_seed)) if word else None
    if isinstance(error, AttributeError):
        word = message.split(' ')[-1].strip("'")
        if word in _GONE:
            return 'job files are Python 3: use %s' % _GONE[word]
        return _near(word, getattr(error, '_known', ''))
    if isinstance(error, EOFError):
        return 'a job file cannot ask; write {{name}} in it and give --bind name=value'
    if isinstance(error, MustacheParser.Uninterpolatable):
        return 'a field refers to itself, directly or through others'
    return None


def describe(error):
    """Class name, message, file, line, column, field path, hint, what is allowed."""
    file_name = line = column = None
    if isinstance(error, SyntaxError):
        message = error.msg or str(error)
        file_name, line, column = error.filename, error.lineno, error.offset
    else:
        message = str(error)
        if isinstance(error, SystemExit):
            message = 'the file called sys.exit(%s)' % ('' if error.code is None else error.code)
        elif isinstance(error, (KeyError, MemoryError, RecursionError, KeyboardInterrupt)) or not message:
            message = '%s: %s' % (type(error).__name__, message) if message else type(error).__name__
        trace = error.__traceback__
        while trace is not None:
            name = trace.tb_frame.f_code.co_filename
            if name in _files:
                file_name, line, column = name, trace.tb_lineno, _column(trace)
            trace = trace.tb_next
    text = None
    if file_name in _files and line:
        lines = _files[file_name].splitlines()
        text = lines[line - 1] if line <= len(lines) else None
    try:
        hint = _hint(error, text)
    except Exception:
        hint = None
    return (type(error).__name__, message, file_name, line, column,
            getattr(error, '_field_path', None) or None, hint, getattr(error, '_known', None) or None)


def _column(trace):
    try:
        positions = list(trace.tb_frame.f_code.co_positions())
        column = positions[trace.tb_lasti // 2][2]
        return None if column is None else column + 1
    except Exception:
        return None
