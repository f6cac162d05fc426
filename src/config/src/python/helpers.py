"""Aurora's schema and what upstream offers to build tasks with it."""

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
    """Command lines from names and values; a value that is empty or false leaves the bare option."""

    @classmethod
    def render_option(cls, short_prefix, long_prefix, option, value=None):
        words = [(long_prefix if len(option) > 1 else short_prefix) + option]
        if value:
            words.append(str(value))
        return ' '.join(words)

    @classmethod
    def render_options(cls, short_prefix, long_prefix, *options, **kw_options):
        pairs = []
        for given in options:
            if isinstance(given, str):
                pairs.append((given, None))
            elif isinstance(given, dict):
                pairs += given.items()
            else:
                raise ValueError('Got an unexpected argument to render_options: %r' % (given,))
        pairs += kw_options.items()
        return [cls.render_option(short_prefix, long_prefix, name, value) for name, value in pairs]

    @classmethod
    def java(cls, *options, **kw_options):
        """Every option has one dash: java_options('a', bc=2) is `-a -bc 2`."""
        return ' '.join(cls.render_options('-', '-', *options, **kw_options))

    @classmethod
    def python(cls, *options, **kw_options):
        """Long options have two dashes: python_options('a', bc=2) is `-a --bc 2`."""
        return ' '.join(cls.render_options('-', '--', *options, **kw_options))


def SimpleTask(name, command):
    """A task of one process with default resources."""
    return Tasks.simple(name, command)


def SequentialTask(*args, **kw):
    """A task whose processes run one after the other."""
    return Tasks.sequential(_Task(*args, **kw))
