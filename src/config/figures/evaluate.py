"""What `aurora config check` does with a job file, by CPython and PyPI pystachio: run it, bind, check and write every job."""

import json
import sys

import schema
from pystachio import Empty


def load(job):
    job = job.bind({'mesos': {'role': '{{role}}', 'cluster': '{{cluster}}'}, 'thermos': {'user': '{{role}}'}})
    check = job.check()
    if not check.ok():
        raise ValueError(check.message())
    interpolated, _ = job.interpolate()
    data = interpolated(update_config=Empty, instances=Empty).get()
    return json.dumps(data, default=dict, sort_keys=True)


def main():
    names = dict(vars(schema))
    with open(sys.argv[1]) as fp:
        exec(compile(fp.read(), sys.argv[1], 'exec'), names)
    keys = set()
    for job in names['jobs']:
        keys.add('/'.join(str(part()) for part in (job.cluster, job.role, job.environment, job.name)))
        load(job)
    print('%s: %d jobs, no errors' % (sys.argv[1], len(keys)))


main()
