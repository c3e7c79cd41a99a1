"""SSH: every node proves itself with a certificate, one user key opens them all, and only the head has it.

There is no trust on first use and no private user key on any worker. See sshd_config(5), ssh_config(5), ssh-keygen(1).
"""

from __future__ import annotations

from collections.abc import Sequence

from pibramble.files import mpi, units
from pibramble.files.model import HostKey, Keyring, NodeFile, Symlink
from pibramble.plan.model import Plan, Role

HOST_KEY = "/etc/ssh/pibramble_host_key"
HOST_CERTIFICATE = f"{HOST_KEY}-cert.pub"
AUTHORITY = "/etc/ssh/pibramble_ca.pub"
USER_KEY = "/etc/pibramble/user_key"
USER_CERTIFICATE = f"{USER_KEY}-cert.pub"
CONTROL_FOLDER = "/run/pibramble/ssh"

_PRINCIPALS = "/etc/ssh/pibramble_principals"
_AUTHORIZED_KEYS = "/etc/ssh/pibramble_authorized_keys"

# How many logins may be under way before sshd turns some away, and how many sessions share one connection: a start
# over 64 nodes and 64 commands at once must fit.
_STARTUPS = "128:30:256"
_SESSIONS = 128


def daemon(plan: Plan, role: Role) -> NodeFile:
    """Return sshd's configuration. It comes before the base system's: for sshd the first word counts."""
    lines = [
        f"HostKey {HOST_KEY}",
        f"HostCertificate {HOST_CERTIFICATE}",
        f"TrustedUserCAKeys {AUTHORITY}",
        f"AuthorizedPrincipalsFile {_PRINCIPALS}/%u",
        # The head is also people's way in; on a worker the cluster's own certificate is the only one that opens.
        f"AuthorizedKeysFile {f'{_AUTHORIZED_KEYS}/%u .ssh/authorized_keys' if role is Role.HEAD else 'none'}",
        "",
        f"AllowUsers {plan.user}",
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin no",
        "PermitEmptyPasswords no",
        "",
        # pam_systemd starts a user manager for every login: seconds on a Zero.
        "UsePAM no",
        "UseDNS no",
        "PrintMotd no",
        "PrintLastLog no",
        f"SetEnv PATH={mpi.PATH}",
        "",
        # Through the head one may reach a worker (ssh -J); through a worker there is nowhere to go.
        f"AllowTcpForwarding {'local' if role is Role.HEAD else 'no'}",
        "AllowAgentForwarding no",
        "AllowStreamLocalForwarding no",
        "X11Forwarding no",
        "PermitTunnel no",
        "GatewayPorts no",
        "",
        f"MaxStartups {_STARTUPS}",
        f"MaxSessions {_SESSIONS}",
        # A 700 MHz board that greets 64 callers at once takes longer than the usual two minutes for the last one.
        "LoginGraceTime 240",
        # Ends the sessions of a head that went away without a word.
        "ClientAliveInterval 15",
        "ClientAliveCountMax 4",
    ]
    return NodeFile("/etc/ssh/sshd_config.d/10-pibramble.conf", "\n".join(lines) + "\n", "sshd: certificates only")


def authority(plan: Plan, keyring: Keyring) -> Sequence[NodeFile]:
    """Return whom every node believes."""
    return [
        NodeFile(AUTHORITY, keyring.ca_public, "the authority whose certificates open this node"),
        NodeFile(f"{_PRINCIPALS}/{plan.user}", f"{plan.user}\n", f"what a certificate must say to become {plan.user}"),
    ]


def host_key(key: HostKey) -> Sequence[NodeFile]:
    """Return what a node proves itself with."""
    return [
        NodeFile(HOST_KEY, key.private, "the node's own key", mode=0o600, secret=True),
        NodeFile(f"{HOST_KEY}.pub", key.public, "its public half"),
        NodeFile(HOST_CERTIFICATE, key.certificate, "the authority's word for the node's name and address"),
    ]


def user_key(plan: Plan, keyring: Keyring) -> Sequence[NodeFile]:
    """Return what the head commands the workers with; no worker holds it."""
    return [
        NodeFile(USER_KEY, keyring.user_private, "the key to every node", mode=0o600, owner=plan.user, secret=True),
        NodeFile(f"{USER_KEY}.pub", keyring.user_public, "its public half"),
        NodeFile(USER_CERTIFICATE, keyring.user_certificate, f"the authority's word that it is {plan.user}'s"),
    ]


def authorized_keys(plan: Plan) -> NodeFile:
    """Return the people's own keys, for the head."""
    content = "".join(f"{key.strip()}\n" for key in plan.authorized_keys)
    return NodeFile(f"{_AUTHORIZED_KEYS}/{plan.user}", content, "the keys of the cluster file: people's way in")


def client(plan: Plan) -> NodeFile:
    """Return ssh's configuration on the head: each node's address, and one connection a node that all share."""
    blocks = [f"Host {node.name} {node.address}\n    HostName {node.address}" for node in plan.nodes]
    everyone = " ".join(f"{node.name} {node.address}" for node in plan.nodes)
    options = [
        *trust(plan.user, USER_KEY, USER_CERTIFICATE, known_hosts="none"),
        "ControlMaster auto",
        f"ControlPath {CONTROL_FOLDER}/%h",
        "ControlPersist yes",
        "ConnectTimeout 20",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 2",
    ]
    blocks.append("\n    ".join([f"Host {everyone}", *options]))
    return NodeFile("/etc/ssh/ssh_config.d/10-pibramble.conf", "\n\n".join(blocks) + "\n", "ssh to every node by name")


def trust(user: str, key: str, certificate: str, *, known_hosts: str) -> list[str]:
    """Return ssh_config(5) lines for whoever connects to nodes: as whom, and that certificates alone count."""
    return [
        f"User {user}",
        f"IdentityFile {key}",
        f"CertificateFile {certificate}",
        "IdentitiesOnly yes",
        "PreferredAuthentications publickey",
        "GSSAPIAuthentication no",
        "StrictHostKeyChecking yes",
        # Only what the authority signed counts, not what somebody once accepted.
        f"UserKnownHostsFile {known_hosts}",
        "HostKeyAlgorithms ssh-ed25519-cert-v01@openssh.com",
        "CheckHostIP no",
        "UpdateHostKeys no",
        # Exchanging keys of the post-quantum kind costs an ARMv6 board most of a second; this wire ends on the desk.
        "KexAlgorithms ^curve25519-sha256",
    ]


def known_hosts(plan: Plan, keyring: Keyring) -> NodeFile:
    """Return the one thing the head must know to recognise every node: the authority."""
    content = known_authority(plan, keyring.ca_public)
    return NodeFile("/etc/ssh/ssh_known_hosts", content, "nodes are known by their certificates")


def known_authority(plan: Plan, ca_public: str) -> str:
    """Return what a known_hosts file must say for every node to be recognised by its certificate."""
    key = " ".join(ca_public.split()[:2])
    return "".join(f"@cert-authority {node.name},{node.address} {key}\n" for node in plan.nodes)


def services() -> list[Symlink]:
    """Start sshd at boot: some base systems leave it off."""
    return [units.enable("ssh.service", "sshd runs from the first boot on")]
