# What the tests of firmware share; to be sourced from the project's root with `board` and `program` set. Skips the
# test where the tools are missing, and makes a model of each format, once for all boards.
models=build/firmware-models

skip() { echo "skipped: $*"; exit 0; }
fail() { echo "tests/firmware: $board: $*" >&2; exit 1; }
for tool in arm-none-eabi-g++ qemu-system-arm; do
  command -v $tool >/dev/null || skip "$tool is not installed; toolchains/setup --firmware gets it"
done

# QEMU's machine, the address at which a model is put, whether floats have a fused multiply-add.
machine=$board device=$board fused=yes load=0x60000000
case $board in
  cortex-m0plus) machine=mps2-an385 device=RP2040 fused=no load=0x21000000 ;;
  mps2-an385) fused=no load=0x21000000 ;;
  mps2-an386) load=0x21000000 ;;
  mps2-an505) load=0x80000000 ;;
esac

mkdir -p $models
(
  exec 9>$models/lock
  flock 9
  [ -e $models/int4.cllm ] && [ ! "$program" -nt $models/int4.cllm ] ||
    tests/support/make_models "$program" $models >$models.log 2>&1
) || { cat $models.log >&2; fail "cannot make the models"; }

cannot_build() { tail -40 "$1" >&2; fail "cannot build the firmware"; }  # LOG

# emulate PROGRAM [FILE...]: its exit code, its output on stdout. Each file lies 64 bytes after its size, the next
# size at the next multiple of 64.
emulate() {
  local loader=() at=$load file
  for file in "${@:2}"; do
    loader+=(-device "loader,addr=$at,data=$(stat -c %s "$file"),data-len=4"
      -device "loader,file=$file,addr=$((at + 64)),force-raw=on")
    at=$((at + 64 + ($(stat -c %s "$file") + 63) / 64 * 64))
  done
  timeout 200 qemu-system-arm -M "$machine" -display none -monitor none -serial null -icount shift=10 \
    -semihosting-config enable=on,target=native "${loader[@]}" -kernel "$1.elf" </dev/null
}

expect() {
  [ -n "$3" ] && [ "$2" = "$3" ] || fail "$1 differs: '$2' on the device, '$3' on the host"
  echo "$1: as on the host"
}
