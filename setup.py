# SPDX-License-Identifier: GPL-2.0-or-later
"""Package vzhooks: the library, its command, the hook scripts and the config sample."""

import re
from pathlib import Path

from setuptools import find_packages, setup

HERE = Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+)"', (HERE / "vzhooks/__init__.py").read_text("utf-8")).group(1)

setup(
    name="vzhooks",
    version=VERSION,
    description="Give every OpenVZ container its own uplink out of the hardware node",
    long_description=(HERE / "README.md").read_text("utf-8"),
    long_description_content_type="text/markdown",
    author="vzhooks maintainers",
    maintainer="vzhooks maintainers",
    license="GPL-2.0-or-later",
    license_files=["LICENSE"],
    keywords=["openvz", "virtuozzo", "vzctl", "policy routing", "nftables", "uplink"],
    platforms=["Linux"],
    python_requires=">=3.9",
    install_requires=["inotify-simple>=1.3,<3", "pyroute2>=0.9.7,<0.10"],
    extras_require={"metrics": ["prometheus-client>=0.16"]},
    packages=[*find_packages(include=["vzhooks", "vzhooks.*"]), "vzhooks.scripts", "vzhooks.conf"],
    package_dir={"vzhooks.scripts": "scripts", "vzhooks.conf": "conf"},
    package_data={"vzhooks.scripts": ["vps.*", "vz-*", "vzctl"],
                  "vzhooks.conf": ["*.ini", "*.service", "*.socket", "*.conf"]},
    entry_points={"console_scripts": ["vzhooks = vzhooks.__main__:main"]},
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: System Administrators",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: System :: Networking",
    ],
)
