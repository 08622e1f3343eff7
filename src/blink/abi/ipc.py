"""Constants and structures of System V IPC and POSIX message queues on x86-64."""

from __future__ import annotations

from blink.abi.flags import FlagSet, enumeration
from blink.abi.structs import Struct

IPC_CREAT, IPC_EXCL, IPC_NOWAIT = 0o1000, 0o2000, 0o4000
IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO = 0, 1, 2, 3
GETPID, GETVAL, GETALL, GETNCNT, GETZCNT, SETVAL, SETALL = 11, 12, 13, 14, 15, 16, 17
SEM_STAT, SEM_INFO, SEM_STAT_ANY = 18, 19, 20
MSG_STAT, MSG_INFO, MSG_STAT_ANY = 11, 12, 13
SHM_LOCK, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY = 11, 12, 13, 14, 15

# What every ..get(2) takes beside the permissions.
GET = FlagSet({"IPC_CREAT": IPC_CREAT, "IPC_EXCL": IPC_EXCL})
SHM_GET = FlagSet(
    {
        "IPC_CREAT": IPC_CREAT,
        "IPC_EXCL": IPC_EXCL,
        "SHM_HUGETLB": 0o4000,
        "SHM_NORESERVE": 0o10000,
    }
)
SHM_AT = FlagSet(
    {"SHM_RDONLY": 0o10000, "SHM_RND": 0o20000, "SHM_REMAP": 0o40000, "SHM_EXEC": 0o100000}
)
MSG_SEND = FlagSet({"IPC_NOWAIT": IPC_NOWAIT})
MSG_RECEIVE = FlagSet(
    {"IPC_NOWAIT": IPC_NOWAIT, "MSG_NOERROR": 0o10000, "MSG_EXCEPT": 0o20000, "MSG_COPY": 0o40000}
)
_COMMON = {"IPC_RMID": IPC_RMID, "IPC_SET": IPC_SET, "IPC_STAT": IPC_STAT, "IPC_INFO": IPC_INFO}
SEM_CONTROL = enumeration(
    {
        **_COMMON,
        "GETPID": GETPID,
        "GETVAL": GETVAL,
        "GETALL": GETALL,
        "GETNCNT": GETNCNT,
        "GETZCNT": GETZCNT,
        "SETVAL": SETVAL,
        "SETALL": SETALL,
        "SEM_STAT": SEM_STAT,
        "SEM_INFO": SEM_INFO,
        "SEM_STAT_ANY": SEM_STAT_ANY,
    }
)
MSG_CONTROL = enumeration(
    {**_COMMON, "MSG_STAT": MSG_STAT, "MSG_INFO": MSG_INFO, "MSG_STAT_ANY": MSG_STAT_ANY}
)
SHM_CONTROL = enumeration(
    {
        **_COMMON,
        "SHM_LOCK": SHM_LOCK,
        "SHM_UNLOCK": SHM_UNLOCK,
        "SHM_STAT": SHM_STAT,
        "SHM_INFO": SHM_INFO,
        "SHM_STAT_ANY": SHM_STAT_ANY,
    }
)

_PERM = "iIIIIIH2x4x16x"  # struct ipc64_perm
_PERM_FIELDS = "key uid gid cuid cgid mode seq "
SEMID_DS = Struct("semid_ds", _PERM + "q8xq8xQ16x", _PERM_FIELDS + "sem_otime sem_ctime sem_nsems")
SEMINFO = Struct(
    "seminfo",
    "10i",
    "semmap semmni semmns semmnu semmsl semopm semume semusz semvmx semaem",
)
SEMBUF = Struct("sembuf", "Hhh", "sem_num sem_op sem_flg")
MSQID_DS = Struct(
    "msqid_ds",
    _PERM + "qqqQQQii16x",
    _PERM_FIELDS
    + "msg_stime msg_rtime msg_ctime msg_cbytes msg_qnum msg_qbytes msg_lspid msg_lrpid",
)
MSGINFO = Struct("msginfo", "7iH2x", "msgpool msgmap msgmax msgmnb msgmni msgssz msgtql msgseg")
SHMID_DS = Struct(
    "shmid_ds",
    _PERM + "QqqqiiQ16x",
    _PERM_FIELDS + "shm_segsz shm_atime shm_dtime shm_ctime shm_cpid shm_lpid shm_nattch",
)
SHMINFO = Struct("shminfo", "5Q32x", "shmmax shmmin shmmni shmseg shmall")
SHM_INFO_STRUCT = Struct(
    "shm_info", "i4x5Q", "used_ids shm_tot shm_rss shm_swp swap_attempts swap_successes"
)

MQ_ATTR = Struct("mq_attr", "qqqq32x", "mq_flags mq_maxmsg mq_msgsize mq_curmsgs")
SIGEV_THREAD = 2
SIGEVENT = Struct("sigevent", "Qii48x", "sigev_value sigev_signo sigev_notify")
MQ_COOKIE_SIZE = 32  # NOTIFY_COOKIE_LEN
