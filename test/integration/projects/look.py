# Lists a tree for the test of projects, and disturbs it meanwhile. Each job runs on its own.
import fcntl, os, socket, stat, struct, sys

GET, SET = 0x801C581F, 0x401C5820  # FS_IOC_FSGETXATTR, FS_IOC_FSSETXATTR
CAN_OPEN = (stat.S_IFDIR, stat.S_IFREG)


def project(path, info):
    if stat.S_IFMT(info.st_mode) not in CAN_OPEN:
        return "-"
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        flags, _, _, id, _ = struct.unpack("IIIII8x", fcntl.ioctl(fd, GET, bytes(28)))
        return f"{id} {flags & 0x7FFFFFFF:x}"  # the other one: it has attributes
    finally:
        os.close(fd)


def tell(path):
    info = os.lstat(path)
    link = os.readlink(path) if stat.S_ISLNK(info.st_mode) else ""
    owner = f"{info.st_uid}:{info.st_gid} {info.st_rdev} {info.st_mtime_ns}"
    print(repr(path), f"{info.st_mode:o} {owner} {link!r}", project(path, info), sep="\t")


def tree(top):
    os.chdir(top)
    for folder, folders, files in os.walk("."):
        folders.sort()
        for name in ["", *sorted(files), *[each for each in folders if os.path.islink(os.path.join(folder, each))]]:
            tell(os.path.join(folder, name) if name else folder)


def deep(top, levels):
    os.chdir(top)
    for _ in range(int(levels)):
        os.mkdir("d", 0o755)
        os.chdir("d")
    open("file", "w").close()
    os.symlink("file", "link")


def depths(top):
    """How many levels there are, and the projects that were met on the way down."""
    os.chdir(top)
    met, levels = set(), 0
    while True:
        met.add(project(".", os.stat(".")).split()[0])
        if not os.path.isdir("d"):
            break
        os.chdir("d")
        levels += 1
    met.add(project("file", os.stat("file")).split()[0])
    print(levels, *sorted(met))


def bind(path):
    socket.socket(socket.AF_UNIX).bind(path)


def quietly(what, *args):
    try:
        what(*args)
    except OSError:
        pass  # the kernel refuses to move what is not counted yet; or what is made anew is there once more


def flip(top, outside):
    """Folders and a file that are links out of the tree every other moment."""
    os.chdir(top)
    print("up", flush=True)
    while True:
        for name in "folder", "file", "nested/folder":
            quietly(os.rename, name, name + ".aside")
            quietly(os.symlink, os.path.join(outside, os.path.basename(name)), name)
            quietly(os.mkfifo, name + ".pipe")
            if os.path.islink(name):
                os.unlink(name)
            quietly(os.rename, name + ".aside", name)
            quietly(os.unlink, name + ".pipe")


def vanish(top):
    os.chdir(top)
    print("up", flush=True)
    while True:
        for number in range(50):
            os.makedirs(f"gone{number}/in", exist_ok=True)
            open(f"gone{number}/in/file", "w").close()
            quietly(os.symlink, "file", f"gone{number}/in/link")
            quietly(os.mkfifo, f"gone{number}/pipe")
        for number in range(50):
            os.unlink(f"gone{number}/in/file")
            quietly(os.unlink, f"gone{number}/in/link")
            quietly(os.unlink, f"gone{number}/pipe")
            quietly(os.rmdir, f"gone{number}/in")
            quietly(os.rmdir, f"gone{number}")


def move(top, outside):
    print("up", flush=True)
    while True:
        quietly(os.rename, os.path.join(top, "a/b"), os.path.join(outside, "b"))
        quietly(os.rename, os.path.join(outside, "b"), os.path.join(top, "a/b"))


globals()[sys.argv[1]](*sys.argv[2:])
