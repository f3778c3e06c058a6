# In the container, told what to do by one JSON object a line: reads files all the time as a
# program would, and says what lies below a folder.
import json, os, stat, sys, threading, time, zlib

TOP = b"/live/tree"
SMALL = b"/live/small"
FILL = SMALL + b"/own-fill"
lock = threading.Lock()
filling = threading.Lock()
state = {"folder": None, "steady": set(), "there": set(), "wrong": {}, "reads": 0, "full": False}


def unhex(text):
    return bytes.fromhex(text)


def broken(content):
    """Why these bytes are no sequence of whole records, or None."""
    if not content:
        return "empty"
    at = 0
    while at < len(content):
        head, line, rest = content[at:].partition(b"\n")
        try:
            length, check = head.split(b" ")
            length, check = int(length), int(check)
        except ValueError:
            return "no record at %d of %d" % (at, len(content))
        body = rest[:length]
        if not line or len(body) < length:
            return "torn at %d of %d" % (at, len(content))
        if zlib.adler32(body) != check:
            return "two versions mixed at %d" % at
        at += len(head) + 1 + length
    return None


def below(folder):
    try:
        with os.scandir(folder) as items:
            for item in items:
                try:
                    if item.is_dir(follow_symlinks=False):
                        yield from below(item.path)
                    elif item.is_file(follow_symlinks=False):
                        yield item.path
                except OSError:
                    pass
    except OSError:
        pass


def wrong(path, why):
    state["wrong"].setdefault(path.hex(), why)


def read_all():
    while True:
        with lock:
            folder, steady = state["folder"], list(state["steady"])
            if folder is not None:
                seen = list(below(folder))
                for path in steady + seen:
                    name = os.path.basename(path)
                    if name.startswith((b"own-", b".gitignore", b".devrun-")):
                        continue
                    try:
                        with open(path, "rb") as file:
                            content = file.read()
                    except FileNotFoundError:
                        if path in state["there"]:
                            wrong(path, "missing")
                        continue
                    except OSError:
                        continue
                    if path in state["steady"]:
                        state["there"].add(path)
                    state["reads"] += 1
                    why = broken(content)
                    if why:
                        wrong(path, why)
        time.sleep(0.002)


def fill():
    """Until not one byte more fits."""
    with filling:
        if not state["full"]:
            return
        file = os.open(FILL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            while True:
                os.write(file, b"." * (1 << 20))
        except OSError:
            pass
        finally:
            os.close(file)


def keep_full():
    """What is given free is taken again."""
    while True:
        fill()
        # Nothing tells that something was given free.
        time.sleep(0.002)


def be_full(full):
    state["full"] = full
    fill()
    if not full:
        with filling:
            try:
                os.remove(FILL)
            except FileNotFoundError:
                pass
    return True


def entries(top):
    found = []
    folders = [top]
    while folders:
        folder = folders.pop()
        try:
            names = os.listdir(folder)
        except FileNotFoundError:
            continue
        for name in names:
            path = os.path.join(folder, name)
            try:
                info = os.lstat(path)
                mode = stat.S_IMODE(info.st_mode)
                if stat.S_ISDIR(info.st_mode):
                    folders.append(path)
                    what = ["folder", mode, ""]
                elif stat.S_ISLNK(info.st_mode):
                    what = ["link", 0, os.readlink(path).hex()]
                else:
                    with open(path, "rb") as file:
                        content = file.read()
                    what = ["file", mode, "%d %d" % (len(content), zlib.adler32(content))]
            except FileNotFoundError:
                continue
            found.append([os.path.relpath(path, top).hex()] + what)
    return found


def signal_agents(number):
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as file:
                words = file.read().split(b"\0")
            if words[0].endswith(b"devrun-agent") or b"serve" in words[1:2]:
                os.kill(int(pid), number)
                count += 1
        except (OSError, IndexError):
            pass
    return count


def own(path):
    """As a program makes a file of its own, where its folder is there."""
    try:
        with open(path, "xb") as file:
            file.write(b"own\n")
        return True
    except OSError:
        return False


def clean(folder):
    for at, folders, files in os.walk(folder, topdown=False):
        for name in files + [one for one in folders if os.path.islink(os.path.join(at, one))]:
            if name.startswith(b"own-"):
                os.remove(os.path.join(at, name))
        try:
            os.rmdir(at)
        except OSError:
            pass
    return True


def prepare():
    os.makedirs(b"/live/outside", exist_ok=True)
    for name in (b"a", b"b", b"file"):
        with open(b"/live/outside/" + name, "wb") as file:
            file.write(b"outside\n")
    return be_full(False)


def answer(ask):
    do = ask["do"]
    if do == "signal-agents":
        return signal_agents(ask["number"])
    if do == "list":
        return entries(os.path.join(b"/live", ask["what"].encode()))
    if do == "fill":
        return be_full(ask["full"])
    if do == "own":
        return own(os.path.join(TOP, unhex(ask["path"])))
    if do == "clean":
        return clean(os.path.join(TOP, unhex(ask["path"])))
    if do == "prepare":
        return prepare()
    with lock:
        if do == "watch":
            state["folder"] = os.path.join(TOP, unhex(ask["path"]))
            state["steady"] = {os.path.join(TOP, unhex(path)) for path in ask["steady"]}
            state["there"], state["wrong"], state["reads"] = set(), {}, 0
            return True
        if do == "seen":
            top = len(TOP) + 1
            found = [[bytes.fromhex(path)[top:].hex(), why] for path, why in state["wrong"].items()]
            return {"wrong": found, "reads": state["reads"]}
    return None


threading.Thread(target=read_all, daemon=True).start()
threading.Thread(target=keep_full, daemon=True).start()
for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
