"""What job files find: Pystachio's classes over the native values, Aurora's schema and helpers, include()."""

import sys

import _pystachio as _native

_classes = {}


class frozendict(dict):
    """A mapping that can be hashed; what get() returns for structs and maps."""

    def __hash__(self):
        return hash(tuple(sorted((str(k), hash(v)) for k, v in self.items())))

    def __repr__(self):
        return 'frozendict(%s)' % dict.__repr__(self)


class Empty(object):
    """The field has no value."""
    _handle = _native.empty()


Empty.__module__ = 'pystachio.composite'


class Namable(object):
    class Error(Exception):
        pass

    class Unnamable(Error):
        pass

    class NamingError(Error):
        pass

    class NotFound(Error):
        pass


class MustacheParser(object):
    class Error(Exception):
        pass

    class Uninterpolatable(Error):
        pass


class InvalidRefError(Exception):
    pass


class Ref(object):
    """A reference: what stands between double braces."""
    InvalidRefError = InvalidRefError

    def __init__(self, handle):
        self._handle = handle
        self._address = _native.ref_address(handle)

    @staticmethod
    def wrap(value):
        return value if isinstance(value, Ref) else Ref.from_address(value)

    @staticmethod
    def from_address(address):
        if not address or not isinstance(address, str):
            raise InvalidRefError('Invalid address: %r' % (address,))
        return Ref(_native.parse_ref(address))

    def address(self):
        return self._address

    def __str__(self):
        return '{{%s}}' % self._address

    def __repr__(self):
        return 'Ref(%s)' % self._address

    def __eq__(self, other):
        return isinstance(other, Ref) and self._address == other._address

    def __ne__(self, other):
        return not self == other

    def __lt__(self, other):
        return self._address < other._address

    def __hash__(self):
        return hash(self._address)


class Environment(Namable):
    """Texts and values by address."""

    def __init__(self, *args, **kw):
        self._handle = _native.environment(args, kw)


class TypeCheck(object):
    """The outcome of check()."""

    class Error(Exception):
        pass

    def __init__(self, success, message):
        self._success = success
        self._message = message

    @staticmethod
    def success():
        return TypeCheck(True, '')

    @staticmethod
    def failure(message):
        return TypeCheck(False, message)

    def ok(self):
        return self._success

    def message(self):
        return self._message

    def __repr__(self):
        return 'TypeCheck(OK)' if self._success else 'TypeCheck(FAILED): %s' % self._message


class TypeFactory(object):
    pass


class TypeMetaclass(type):
    """Classes whose identity is their structure."""

    def __new__(mcs, name, bases, attributes):
        if '_type' not in attributes:
            for base in bases:
                inherited = getattr(base, '_type', None)
                if inherited is not None:
                    attributes['_type'] = _native.renamed(inherited, name)
                    break
        return type.__new__(mcs, name, bases, attributes)

    def __instancecheck__(cls, other):
        mine = getattr(cls, '_type', None)
        if mine is None:
            return type.__instancecheck__(cls, other)
        theirs = getattr(type(other), '_type', None)
        return theirs is not None and _native.same_type(mine, theirs)


class Type(object):
    pass


class CoercionError(ValueError):
    pass


class IsNotMappingError(ValueError):
    pass


_EXCEPTIONS = {
    'coercion': CoercionError,
    'value': ValueError,
    'not_mapping': IsNotMappingError,
    'attribute': AttributeError,
    'invalid_ref': InvalidRefError,
    'uninterpolatable': MustacheParser.Uninterpolatable,
    'type': TypeError,
    'key': KeyError,
    'index': IndexError,
    'recursion': RecursionError,
}


def _raise(kind, message, path):
    made = _EXCEPTIONS[kind](message)
    made._field_path = path
    return made


_native.set_hooks(_raise, frozendict)


def _class_for(kind):
    """The class of a type, made on first use."""
    number = kind.number
    found = _classes.get(number)
    if found is None:
        found = TypeMetaclass(kind.name, (_BASES[kind.category],), {'_type': kind})
        _classes[number] = found
    return found


def _wrap(handle, cls=None):
    if cls is None:
        cls = _class_for(handle.kind)
    made = object.__new__(cls)
    made._handle = handle
    return made


def _type_of(cls, what):
    kind = getattr(cls, '_type', None)
    if not isinstance(cls, type) or kind is None:
        raise TypeError('%s takes types such as String, got %r' % (what, cls))
    return kind


class Object(Type, metaclass=TypeMetaclass):
    """A value with the scopes in which its references are looked up."""

    CoercionError = CoercionError

    class InterpolationError(Exception):
        pass

    def __init__(self, *args, **kw):
        self._handle = _native.construct(self._type, args, kw)

    def get(self):
        return _native.get(self._handle)

    def copy(self):
        return _wrap(self._handle, type(self))

    dup = copy

    def bind(self, *args, **kw):
        return _wrap(_native.bind(self._handle, args, kw), type(self))

    def in_scope(self, *args, **kw):
        return _wrap(_native.in_scope(self._handle, args, kw), type(self))

    def check(self):
        ok, message, _ = _native.check(self._handle)
        return TypeCheck(ok, message)

    def interpolate(self):
        handle, unbound = _native.interpolate(self._handle)
        same = _native.same_type(handle.kind, self._type)
        return _wrap(handle, type(self) if same else None), [Ref(ref) for ref in unbound]

    def __mod__(self, namable):
        return self.bind(namable).interpolate()[0]

    def __eq__(self, other):
        return _native.is_value(other) and _native.same(self._handle, other._handle)

    def __ne__(self, other):
        return not self == other

    def __hash__(self):
        return hash(_native.raw_key(self._handle))

    def __str__(self):
        return _native.text(self._handle)

    def __repr__(self):
        return _native.repr(self._handle)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()


class SimpleObject(Object):
    def _order(self, other):
        found = _native.order(self._handle, other._handle) if _native.is_value(other) else None
        return -1 if found is None else found

    def __lt__(self, other):
        return self._order(other) == -1

    def __gt__(self, other):
        return self._order(other) == 1

    def __le__(self, other):
        return self._order(other) <= 0

    def __ge__(self, other):
        return self._order(other) >= 0


class EnumContainer(SimpleObject):
    pass


class ChoiceContainer(Object):
    def unwrap(self):
        return self.interpolate()[0]


class ListContainer(Object, Namable):
    def __iter__(self):
        return iter([_wrap(element) for element in _native.elements(self._handle)])

    def __getitem__(self, index):
        return tuple(self)[index]

    def __contains__(self, item):
        if _native.is_value(item):
            return any(element == item for element in self)
        return item in self.interpolate()[0].get()


class MapContainer(Object, Namable):
    def __iter__(self):
        return iter([_wrap(key) for key in _native.keys(self._handle)])

    def __getitem__(self, key):
        found = _native.map_get(self._handle, key)
        if found is None:
            raise KeyError('%s not found' % (key,))
        return _wrap(found)

    def __contains__(self, key):
        return _native.map_get(self._handle, key) is not None


class Structural(Object, Namable):
    def __call__(self, **kw):
        return _wrap(_native.replace(self._handle, kw), type(self))

    def __getattr__(self, name):
        kind = self._type
        if name.startswith('has_') and _native.has_field(kind, name[4:]):
            return lambda: _native.is_set(self._handle, name[4:])
        if not _native.has_field(kind, name):
            raise AttributeError('%s has no attribute %s' % (type(self).__name__, name))

        def accessor():
            found = _native.field(self._handle, name)
            return Empty if found is None else _wrap(found)
        return accessor

    def json_dumps(self):
        return _native.json_dumps(self._handle)

    def json_dump(self, fp):
        fp.write(self.json_dumps())

    @classmethod
    def json_loads(cls, text, strict=False):
        return _wrap(_native.json_loads(cls._type, text, strict), cls)

    @classmethod
    def json_load(cls, fp, strict=False):
        return cls.json_loads(fp.read(), strict)


_BASES = {
    'simple': SimpleObject,
    'enum': EnumContainer,
    'choice': ChoiceContainer,
    'list': ListContainer,
    'map': MapContainer,
    'struct': Structural,
}

String = _class_for(_native.simple_type('String'))
Integer = _class_for(_native.simple_type('Integer'))
Float = _class_for(_native.simple_type('Float'))
Boolean = _class_for(_native.simple_type('Boolean'))


class TypeSignature(object):
    """A field as a struct declares it."""

    def __init__(self, cls, required=False, default=()):
        self.kind = _type_of(cls, 'Required' if required else 'Default')
        self.required = required
        self.default = default


def Required(cls):
    return TypeSignature(cls, required=True)


def Default(cls, default):
    if default is Empty:
        return TypeSignature(cls)
    # A default of the wrong shape is refused here, where it is written, not where the struct is used.
    if not (_native.is_value(default) and isinstance(default, cls)):
        default = cls(default)
    return TypeSignature(cls, default=(default,))


def Enum(*stuff):
    if len(stuff) == 2 and isinstance(stuff[0], str) and isinstance(stuff[1], (list, tuple)):
        return _class_for(_native.enum_type(stuff[0], tuple(stuff[1])))
    return _class_for(_native.enum_type(None, tuple(stuff)))


def Choice(*args):
    name, alternatives = args if len(args) == 2 else (None, args[0])
    return _class_for(_native.choice_type(name, tuple(_type_of(cls, 'Choice') for cls in alternatives)))


def List(cls):
    return _class_for(_native.list_type(_type_of(cls, 'List')))


def Map(key, value):
    return _class_for(_native.map_type(_type_of(key, 'Map'), _type_of(value, 'Map')))


class StructMetaclass(type):
    """Reads the fields of `class X(Struct)`; everything else in the body is dropped."""

    def __new__(mcs, name, bases, attributes):
        if not any(base.__name__ == 'Struct' for base in bases):
            return type.__new__(mcs, name, bases, attributes)
        fields = []
        for field, declared in attributes.items():
            if isinstance(declared, TypeSignature):
                fields.append((field, declared.kind, declared.required, declared.default))
            elif isinstance(declared, type) and getattr(declared, '_type', None) is not None:
                fields.append((field, declared._type, False, ()))
        kind = _native.struct_type(name, fields)
        found = _classes.get(kind.number)
        cell = attributes.get('__classcell__')
        if found is None or cell is not None:
            body = {'_type': kind}
            if cell is not None:
                body['__classcell__'] = cell
            found = TypeMetaclass(name, (Structural,), body)
            _classes[kind.number] = found
        return found


Struct = type.__new__(StructMetaclass, 'Struct', (object,), {})

BYTES = 1
KB = 1024 * BYTES
MB = 1024 * KB
GB = 1024 * MB
TB = 1024 * GB
AURORA_EXECUTOR_NAME = 'AuroraExecutor'

_schema = {}
for _name, _kind in _native.schema_types():
    _schema[_name] = _class_for(_kind)
for _name, _value in _native.schema_values():
    _schema[_name] = _wrap(_value)
_Process, _Task, _Resources, _Constraint = (
    _schema[_name] for _name in ('Process', 'Task', 'Resources', 'Constraint'))


class Units(object):
    """Sums and maxima over tasks; what is not set counts as nothing."""

    @classmethod
    def safe_get(cls, unit):
        return 0 if unit is Empty else unit.get()

    @classmethod
    def _fold(cls, function, resources):
        totals = {'cpu': 0, 'ram': 0, 'disk': 0, 'gpu': 0}
        for resource in resources:
            if resource is not Empty:
                for name in totals:
                    totals[name] = function(totals[name], cls.safe_get(getattr(resource, name)()))
        return _Resources(**totals)

    @classmethod
    def resources_sum(cls, *resources):
        return cls._fold(lambda a, b: a + b, resources)

    @classmethod
    def resources_max(cls, resources):
        return cls._fold(max, resources)

    @classmethod
    def finalization_wait_sum(cls, waits):
        return sum(cls.safe_get(wait) for wait in waits)

    @classmethod
    def finalization_wait_max(cls, waits):
        return max([0] + [cls.safe_get(wait) for wait in waits])

    # Upstream goes through sets, so its order is undefined; the first occurrence decides here.
    @classmethod
    def _merge(cls, lists):
        merged = {}
        for items in lists:
            if items is not Empty:
                for item in items:
                    merged.setdefault(item, item)
        return list(merged)

    @classmethod
    def processes_merge(cls, tasks):
        return cls._merge(task.processes() for task in tasks)

    @classmethod
    def constraints_merge(cls, tasks):
        return cls._merge(task.constraints() for task in tasks)


class Processes(object):
    @classmethod
    def _process_name(cls, process):
        if isinstance(process, _Process):
            return process.name()
        if isinstance(process, str):
            return process
        raise ValueError('Unknown value for process order: %r' % (process,))

    @classmethod
    def order(cls, *processes):
        return [_Constraint(order=[cls._process_name(process) for process in processes])]


class Tasks(object):
    SIMPLE_CPU = 1.0
    SIMPLE_RAM = 1 * GB
    SIMPLE_DISK = 1 * GB

    @classmethod
    def combine(cls, *tasks, **kw):
        """One task that runs the processes of all in parallel."""
        if not tasks:
            return _Task()
        fields = {
            'processes': Units.processes_merge(tasks),
            'resources': Units.resources_sum(*[task.resources() for task in tasks]),
            'constraints': Units.constraints_merge(tasks),
            'finalization_wait': Units.finalization_wait_max([task.finalization_wait() for task in tasks]),
        }
        return cls._with(tasks[-1], fields, kw)

    @classmethod
    def concat(cls, *tasks, **kw):
        """One task that runs the processes of each task before those of the next."""
        if not tasks:
            return _Task()
        constraints = Units.constraints_merge(tasks)
        for earlier, later in zip(tasks[:-1], tasks[1:]):
            for first in earlier.processes():
                for second in later.processes():
                    if first != second:
                        constraints.extend(Processes.order(first, second))
        fields = {
            'processes': Units.processes_merge(tasks),
            'resources': Units.resources_max([task.resources() for task in tasks]),
            'constraints': constraints,
            'finalization_wait': Units.finalization_wait_sum([task.finalization_wait() for task in tasks]),
        }
        return cls._with(tasks[-1], fields, kw)

    @classmethod
    def _with(cls, base, fields, kw):
        for name in kw:
            if name != 'processes' and name in fields:
                raise TypeError('got multiple values for keyword argument %r' % name)
        fields.update(kw)
        return base(**fields)

    @classmethod
    def simple(cls, name, command):
        return _Task(
            name=name,
            processes=[_Process(name=name, cmdline=command)],
            resources=_Resources(cpu=cls.SIMPLE_CPU, ram=cls.SIMPLE_RAM, disk=cls.SIMPLE_DISK))

    @classmethod
    def sequential(cls, task):
        constraints = task.constraints()
        if constraints is not Empty and list(constraints):
            raise ValueError('Cannot turn a Task with existing constraints into a SequentialTask!')
        processes = task.processes()
        return task() if processes is Empty else task(constraints=Processes.order(*processes))


class Options(object):
    @classmethod
    def render_option(cls, short_prefix, long_prefix, option, value=None):
        option = '%s%s' % (short_prefix if len(option) == 1 else long_prefix, option)
        return '%s %s' % (option, value) if value else option

    @classmethod
    def render_options(cls, short_prefix, long_prefix, *options, **kw_options):
        rendered = []
        for option in options + (kw_options,):
            if isinstance(option, str):
                rendered.append(cls.render_option(short_prefix, long_prefix, option))
            elif isinstance(option, dict):
                for name, value in option.items():
                    rendered.append(cls.render_option(short_prefix, long_prefix, name, value))
            else:
                raise ValueError('Got an unexpected argument to render_options: %r' % (option,))
        return rendered

    @classmethod
    def java(cls, *options, **kw_options):
        return ' '.join(cls.render_options('-', '-', *options, **kw_options))

    @classmethod
    def python(cls, *options, **kw_options):
        return ' '.join(cls.render_options('-', '--', *options, **kw_options))


def SimpleTask(name, command):
    """A task of one process with default resources."""
    return Tasks.simple(name, command)


def SequentialTask(*args, **kw):
    """A task whose processes run one after the other."""
    return Tasks.sequential(_Task(*args, **kw))


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


def _install():
    """Makes the names importable, and adds what Python 2 had and files still use."""
    import builtins
    import functools

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
    builtins.reduce = functools.reduce
    return schema


_seed = _install()
# Standard output carries the answer of this program.
sys.stdout = sys.stderr
_files = {}


def _nesting(source):
    """The line at which brackets nest deeper than Python's own limit, if they do."""
    depth = deepest = 0
    line = 1
    for character in source:
        if character == '\n':
            line += 1
        elif character in '([{':
            depth += 1
            if depth > 2000:
                return line
        elif character in ')]}' and depth:
            depth -= 1
    return None


def _execute(path, source, environment):
    _files[path] = source
    line = _nesting(source)
    if line is not None:
        raise SyntaxError('too many nested parentheses', (path, line, None, None))
    exec(compile(source, path, 'exec'), environment)


def _read(path):
    with open(path, encoding='utf-8') as fp:
        return fp.read()


def load(path, source, from_text):
    """Runs a job file: ('ok', its names) or ('error', what is wrong)."""
    environment = dict(_seed)
    environment['__builtins__'] = __import__('builtins')
    stack = [path]

    def include(file_name):
        import os.path
        if from_text:
            raise ValueError('You may not include() anything from filelike objects.')
        actual = os.path.join(os.path.dirname(stack[-1]), file_name)
        if len(stack) > 40:
            raise ValueError('include(%r) is nested more than 40 levels: do files include one another?' % file_name)
        stack.append(actual)
        _execute(actual, _read(actual), environment)
        stack.pop()

    environment['include'] = include
    try:
        _execute(path, source, environment)
        return 'ok', environment
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


def _near(words, candidates):
    import difflib
    for word in words:
        found = difflib.get_close_matches(word, list(candidates), 1, 0.75)
        if found:
            return 'did you mean %s?' % found[0]
    return None


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
        for name, hint in _UNKNOWN.items():
            if "'%s'" % name in message:
                return hint
        return _near(message.split("'")[1:2], _seed)
    if isinstance(error, AttributeError) and (
            message.startswith('Unknown schema attribute ') or ' has no attribute ' in message):
        near = _near([message.split(' ')[-1].strip("'")], _native.schema_fields())
        if near:
            return near
    for name, use in (('iteritems', 'items'), ('itervalues', 'values'), ('iterkeys', 'keys'), ('has_key', 'in')):
        if isinstance(error, AttributeError) and "'%s'" % name in message:
            return 'job files are Python 3: use %s' % use
    if isinstance(error, MustacheParser.Uninterpolatable):
        return 'a field refers to itself, directly or through others'
    return None


def describe(error):
    """Class name, message, file, line, column, field path, hint."""
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
            getattr(error, '_field_path', None) or None, hint)


def _column(trace):
    try:
        positions = list(trace.tb_frame.f_code.co_positions())
        column = positions[trace.tb_lasti // 2][2]
        return None if column is None else column + 1
    except Exception:
        return None
