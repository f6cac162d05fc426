//! The language around the values: modules, Python 2's names, helpers of the schema. Expected values are what
//! `aurora: src/main/python/apache/thermos/config/schema_helpers.py` gives, and CPython's own.

use aurora_config::python::with_interpreter;

/// Programs that assign `result`, and its value.
const CASES: &[(&str, &str)] = &[
    (
        "result = [c.order().get() for c in order(Process(name='{{x}}').bind(x='a'), 'b')]",
        r#"[["a", "b"]]"#,
    ),
    (
        "result = [list(c.order().get()) for c in SequentialTask(processes=[Process(name=n) for n in 'abc']).constraints()]",
        r#"[["a", "b", "c"]]"#,
    ),
    ("result = SequentialTask(name='t').has_processes()", "false"),
    (
        "try:\n  SequentialTask(constraints=order('a', 'b'))\nexcept ValueError as e:\n  result = str(e)",
        r#""Cannot turn a Task with existing constraints into a SequentialTask!""#,
    ),
    (
        "try:\n  order(3)\nexcept ValueError as e:\n  result = str(e)",
        r#""Unknown value for process order: 3""#,
    ),
    (
        "t = SimpleTask('n', 'cmd')\nresult = [t.name().get(), t.resources().cpu().get(), t.resources().ram().get(), t.processes()[0].cmdline().get()]",
        r#"["n", 1.0, 1073741824, "cmd"]"#,
    ),
    (
        "a = Task(name='a', processes=[Process(name='p'), Process(name='q')], resources=Resources(cpu=1, ram=2, disk=3), finalization_wait=7)\n\
         b = Task(name='b', processes=[Process(name='q')], resources=Resources(cpu=4, ram=1, disk=0, gpu=1), finalization_wait=5)\n\
         def show(t):\n\
         \x20 r = t.resources()\n\
         \x20 return [t.name().get(), [p.name().get() for p in t.processes()], [r.cpu().get(), r.ram().get(), r.disk().get(), r.gpu().get()],\n\
         \x20         t.finalization_wait().get(), [list(c.order().get()) for c in t.constraints()]]\n\
         result = [show(Tasks.combine(a, b)), show(concat_tasks(a, b, name='c'))]",
        r#"[["b", ["p", "q"], [5.0, 3, 3, 1], 7, []], ["c", ["p", "q"], [4.0, 2, 3, 1], 12, [["p", "q"]]]]"#,
    ),
    (
        "result = [java_options('a', 'bc', {'x': 1, 'yz': ''}, Dk='v'), python_options('a', 'bc', c=2, de=3)]",
        r#"["-a -bc -x 1 -yz -Dk v", "-a --bc -c 2 --de 3"]"#,
    ),
    (
        "t = SequentialTask(processes=[Process(name=n) for n in 'ab'], constraints=[])\n\
         result = [list(c.order().get()) for c in t.constraints()]",
        r#"[["a", "b"]]"#,
    ),
    (
        "a = Task(processes=[Process(name='p'), Process(name='q')], constraints=order('q', 'p'))\n\
         b = Task(processes=[Process(name='q'), Process(name='p')])\n\
         result = sorted(list(c.order().get()) for c in Tasks.concat(a, b).constraints())",
        r#"[["p", "q"], ["q", "p"], ["q", "p"]]"#,
    ),
    (
        "a, b = Resources(cpu=1, ram=2, disk=3), Resources(cpu=0.5, ram=5, disk=1, gpu=2)\n\
         def show(r):\n\
         \x20 return [x.get() for x in (r.cpu(), r.ram(), r.disk(), r.gpu())]\n\
         result = [show(Units.resources_sum(a, b, Empty)), show(Units.resources_max([a, b])), show(Units.resources_sum()),\n\
         \x20 Units.finalization_wait_sum([Integer(3), Empty, Integer(4)]), Units.finalization_wait_max([Integer(3), Integer(4)]),\n\
         \x20 Units.finalization_wait_max([]), Units.safe_get(Empty), Units.safe_get(Integer(7)),\n\
         \x20 [p.name().get() for p in Units.processes_merge([Task(processes=[Process(name='x')]), Task(), Task(processes=[Process(name='x'), Process(name='y')])])],\n\
         \x20 len(Units.constraints_merge([Task(constraints=order('a', 'b')), Task(constraints=order('a', 'b'))]))]",
        r#"[[1.5, 7, 4, 2], [1.0, 5, 3, 2], [0.0, 0, 0, 0], 7, 4, 0, 0, 7, ["x", "y"], 1]"#,
    ),
    (
        "result = []\nfor options in (3, ['a'], None, String('x')):\n\
         \x20 for render in (java_options, python_options):\n\
         \x20   try:\n      render(options)\n    except ValueError as e:\n      result.append(str(e).split(':')[0])\n\
         result = [len(result), result[0]]",
        r#"[8, "Got an unexpected argument to render_options"]"#,
    ),
    (
        "thermos = ThermosContext(ports={'http': 80}, task_id='t', user='u')\n\
         mesos = MesosContext(instance='3', hostname='h')\n\
         text = String('{{thermos.ports[http]}} {{thermos.task_id}} {{thermos.user}} {{mesos.instance}} {{mesos.hostname}}')\n\
         node = MesosTaskInstance(task=Task(name='x'), instance=1, role='r', environment='e')\n\
         result = [str(text.bind(thermos=thermos, mesos=mesos)), MesosContext(instance=1).check().message(), node.has_announce(),\n\
         \x20 node.has_lifecycle(), node.health_check_config().interval_secs().get(), MesosTaskInstance(task=Task()).check().message()]",
        r#"["80 t u 3 h", "MesosContext[hostname] is required.", false, false, 10.0, "MesosTaskInstance[instance] is required."]"#,
    ),
    (
        "result = [BYTES, KB, MB, GB, TB]",
        "[1, 1024, 1048576, 1073741824, 1099511627776]",
    ),
    (
        "result = [Service().service().get(), Service(name='x').name().get(), isinstance(Service, Job), Job is MesosJob]",
        r#"[true, "x", true, true]"#,
    ),
    (
        "result = [DefaultHealthChecker.http().endpoint().get(), DisableLifecycle.has_http(), DefaultLifecycleConfig.has_http(), AURORA_EXECUTOR_NAME]",
        r#"["/health", false, true, "AuroraExecutor"]"#,
    ),
    (
        "result = [len(list(xrange(3))), unicode('x'), isinstance('x', basestring), long(2), reduce(lambda a, b: a + b, [1, 2]), unichr(65),\n\
         \x20 reduce(lambda a, b: a + b, [1, 2], 10), reduce(max, [], 4)]",
        r#"[3, "x", true, 2, 3, "A", 13, 4]"#,
    ),
    (
        "import os, sys, re, json, hashlib, getpass, datetime, itertools, functools, collections, copy, math, string, textwrap, random\n\
         result = [hashlib.md5(b'').hexdigest(), hashlib.sha256(b'').hexdigest()[:8], json.dumps({'a': [1, None]}), re.sub('a+', 'b', 'caat'),\n\
         \x20 math.floor(1.5), textwrap.dedent(' x'), list(itertools.chain([1], [2])), os.path.join('a', 'b'), str(datetime.date(2020, 2, 29)),\n\
         \x20 collections.OrderedDict([('b', 1), ('a', 2)]), string.digits[:2], copy.deepcopy({'x': [1]}), functools.reduce(max, [3, 5])]",
        r#"["d41d8cd98f00b204e9800998ecf8427e", "e3b0c442", "{\"a\": [1, null]}", "cbt", 1, "x", [1, 2], "a/b", "2020-02-29", {"b": 1, "a": 2}, "01", {"x": [1]}, 5]"#,
    ),
    (
        "result = ['%s-%03d' % ('a', 7), '{0}.{b}'.format('x', b='y'), f'{1 + 1}', 'a' 'b', ur if False else 'c']",
        r#"["a-007", "x.y", "2", "ab", "c"]"#,
    ),
    (
        "from collections import OrderedDict\nresult = [str(k) for k in Map(String, Integer)(OrderedDict([('z', 1), ('a', 2)]))]",
        r#"["z", "a"]"#,
    ),
    (
        "class D(dict):\n  def m(self):\n    return 1\nresult = Job(D(name='n')).name().get()",
        r#""n""#,
    ),
    (
        "import copy\np = Process(name='a').bind(x=1)\nresult = [copy.copy(p) == p, copy.deepcopy([p])[0].name().get()]",
        r#"[true, "a"]"#,
    ),
    (
        "from pystachio import Struct as S, String as T\nclass X(Struct):\n  a = T\nresult = X(a='1').a().get()",
        r#""1""#,
    ),
    (
        "from apache.aurora.config.schema.base import Job as J\nfrom apache.thermos.config.schema import Process as P\nresult = J is Job and P is Process",
        "true",
    ),
    (
        "result = [__name__ == '__main__', '__file__' in globals()]",
        "[false, false]",
    ),
    (
        "class A(Struct):\n  x = Default(String, 'd')\n  def f(self):\n    return super().__init__\nresult = A().x().get()",
        r#""d""#,
    ),
    (
        "J = Job(name='a', task=Task(processes=[Process(name='p', cmdline='{{env}}')]))\nresult = [j.task().processes()[0].cmdline().get() for j in [J.bind(env=e) for e in ('x', 'y')]]",
        r#"["x", "y"]"#,
    ),
];

#[test]
fn programs_see_the_language_and_the_schema() {
    let failures = with_interpreter(|python| {
        let mut failures = Vec::new();
        for (program, expected) in CASES {
            let expected: serde_json::Value = serde_json::from_str(expected).expect(program);
            match python.result_of("", program) {
                Ok(found) if found == expected => {}
                other => failures.push(format!(
                    "{program}\n  gave {other:?}\n  instead of {expected}"
                )),
            }
        }
        failures
    })
    .expect("an interpreter");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
