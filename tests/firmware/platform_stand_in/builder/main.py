# SPDX-License-Identifier: Apache-2.0
"""Does what the real platform's script does in the same order, with this computer's compiler."""

from __future__ import annotations

from SCons.Script import COMMAND_LINE_TARGETS, AlwaysBuild, Builder, Default, DefaultEnvironment

env = DefaultEnvironment()
env.Replace(
    AR="gcc-ar",
    CC="gcc",
    CXX="g++",
    LINK="stand-in-link",
    RANLIB="gcc-ranlib",
    PROGNAME="firmware",
    PROGSUFFIX=".elf",
    UPLOADER="stand-in-uploader",
    UPLOADERFLAGS=["--port", '"$UPLOAD_PORT"'],
    UPLOADCMD="$UPLOADER $UPLOADERFLAGS 0x10000 $SOURCE",
)
action = env.VerboseAction("cp $SOURCE $TARGET", "Building $TARGET")
env.Append(
    CCFLAGS=["-Os", "-Wall"],
    BUILDERS={"ElfToBin": Builder(action=action, suffix=".bin")},
)
if "nobuild" in COMMAND_LINE_TARGETS:
    target_firm = "$BUILD_DIR/${PROGNAME}.bin"
else:
    target_elf = env.BuildProgram()
    target_firm = env.ElfToBin("$BUILD_DIR/${PROGNAME}", target_elf)
AlwaysBuild(env.Alias("nobuild", target_firm))
target_buildprog = env.Alias("buildprog", target_firm, target_firm)
for image in env.get("FLASH_EXTRA_IMAGES", []):
    env.Append(UPLOADERFLAGS=[image[0], env.subst(image[1])])
env.AddPlatformTarget("upload", target_firm, [env.VerboseAction("$UPLOADCMD", "Uploading $SOURCE")], "Upload")
Default([target_buildprog])
