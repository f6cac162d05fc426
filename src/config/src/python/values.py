"""Pystachio's classes over the native values.

The three files of this folder share one set of names: values.py, helpers.py, loader.py, in this order.
"""

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


def _raise(kind, message, path, known):
    made = _EXCEPTIONS[kind](message)
    made._field_path = path
    made._known = known
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
            error = AttributeError('%s has no attribute %s' % (type(self).__name__, name))
            error._known = kind.fields
            raise error

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
