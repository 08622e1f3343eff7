"""The opcode maps: for each opcode its operand bytes, and which encodings of it exist.

The single source of the decoder's tables (`codegen.emit_maps`).  Facts: Intel SDM volume 2,
appendix A and the instruction pages; AMD APM volume 3 for SSE4A, SVM and their like.

A row is `OPCODES [IMMEDIATE] [KIND] : FORM | FORM ...  # names`.

OPCODES     hexadecimal, `10-12,28`.
IMMEDIATE   ib, iw (1, 2 bytes), iz (2 or 4, by operand size), iv (2, 4 or 8), jb, jz (relative),
            ap (far pointer), moffs (address-size bytes), enter (iw, ib), test_ib and test_iz (only
            with ModRM.reg 0 and 1), sse4a (two ib, only with 66 or F2).  Default: none.
KIND        prefix, escape (0F), vex (C4, C5, 62, when they are not LES, LDS, BOUND), vsib (the
            index is a vector), sib (must have a SIB byte), regs (ModRM.mod ignored: a register).
FORM        M (ModRM: register or memory), m (memory only), r (register only), nothing (no ModRM);
            /0-3,5 the values of ModRM.reg; =C0-C5 exact ModRM bytes of register forms;
            np 66 f3 f2 the mandatory prefixes that it takes (none listed: prefixes do not select);
            i64 not in 64-bit mode, o64 only there; lock: LOCK may precede its memory form.

An opcode that no row names is undefined.  Left out on purpose, because no CPU of today has them:
3DNow! (0F 0F, FEMMS), XOP, FMA4 and VPERMIL2, VIA PadLock, Itanium's JMPE, Knights Corner's MVEX.
MPX and CLDEMOTE are inside the reserved NOPs 0F 18..1F.
"""

from __future__ import annotations

from blink.isa._map_rows import Cell, parse

ONE_BYTE = """
00-01,08-09,10-11,18-19,20-21,28-29,30-31 : M lock        # add or adc sbb and sub xor r/m, r
02-03,0A-0B,12-13,1A-1B,22-23,2A-2B,32-33,38-3B : M       # the same r, r/m; cmp
04,0C,14,1C,24,2C,34,3C ib :                              # the same al, imm
05,0D,15,1D,25,2D,35,3D iz :                              # the same eax, imm
06-07,0E,16-17,1E-1F : i64                                # push pop es cs ss ds
0F escape :
26,2E,36,3E,64-67,F0,F2-F3 prefix :
27,2F,37,3F : i64                                         # daa das aaa aas
40-4F : i64                                               # inc dec
40-4F prefix : o64                                        # rex
50-5F :                                                   # push pop
60-61 : i64                                               # pusha popa
62,C4-C5 vex : m i64 | o64                                # bound les lds; evex vex
63 : M                                                    # arpl, movsxd
68 iz :                                                   # push
69 iz : M                                                 # imul
6A ib :                                                   # push
6B ib : M                                                 # imul
6C-6F :                                                   # ins outs
70-7F jb :                                                # jcc
80,83 ib : M /0-6 lock | M /7                             # group 1
81 iz : M /0-6 lock | M /7
82 ib : M /0-6 lock i64 | M /7 i64
84-85 : M                                                 # test
86-87 : M lock                                            # xchg
88-8B : M                                                 # mov
8C : M /0-5                                               # mov r/m, sreg
8D : m                                                    # lea
8E : M /0,2-5                                             # mov sreg, r/m
8F : M /0                                                 # pop
90-99,9B-9F :                                             # xchg cbw cwd fwait pushf popf sahf lahf
9A ap : i64                                               # call far
A0-A3 moffs :                                             # mov
A4-A7,AA-AF :                                             # movs cmps stos lods scas
A8 ib :                                                   # test
A9 iz :
B0-B7 ib :                                                # mov
B8-BF iv :
C0-C1 ib : M                                              # group 2
C2,CA iw :                                                # ret retf
C3,C9,CB-CC,CF :                                          # ret leave retf int3 iret
C6 ib : M /0 | =F8                                        # mov, xabort
C7 iz : M /0 | =F8                                        # mov, xbegin
C8 enter :
CD ib :                                                   # int
CE : i64                                                  # into
D0-D3 : M                                                 # group 2
D4-D5 ib : i64                                            # aam aad
D6 : i64                                                  # salc
D7 :                                                      # xlat
D8,DC : M                                                 # x87
D9 : m /0,2-7 | =C0-D0,D8-DF,E0-E1,E4-E5,E8-EE,F0-FF
DA : m | =C0-DF,E9
DB : m /0-3,5,7 | =C0-E4,E8-F7
DD : m /0-4,6-7 | =C0-EF
DE : m | =C0-D7,D9,E0-FF
DF : m | =C0-E0,E8-F7
E0-E3,EB jb :                                             # loopne loope loop jcxz jmp
E4-E7 ib :                                                # in out
E8-E9 jz :                                                # call jmp
EA ap : i64                                               # jmp far
EC-EF :                                                   # in out
F1,F4-F5,F8-FD :                                          # int1 hlt cmc clc stc cli sti cld std
F6 test_ib : M /0-1,4-7 | M /2-3 lock                     # group 3
F7 test_iz : M /0-1,4-7 | M /2-3 lock
FE : M /0-1 lock                                          # group 4
FF : M /0-1 lock | M /2,4,6 | m /3,5                      # group 5
"""

LEGACY_0F = """
00 : M /0-5                                               # sldt str lldt ltr verr verw
01 : m /0-4,6-7 | f3 m /5 | r /4,6 | =D8-DF,F9,FC-FD | o64 =F8 | f3 =E8,EA,FA | f2 =E8-E9,FF \
 | np =C0-C6,C8-CB,CF-D1,D4-D7,E8,EE-EF,FA-FB,FE-FF | 66 =CC | 66 o64 =CD-CF \
 | f3 f2 o64 =C6,FE | f3 o64 =EC-EF,FF
02-03 : M                                                 # lar lsl
05,07 : o64                                               # syscall sysret
06,08-09,0B,30-35,A0-A2,A8-AA :                           # clts invd wbinvd ud2 .. rsm
0D,18-1F : M                                              # prefetchw, reserved nops
10-11,51,58-5A,5C-5F : M                                  # movups .. sqrt add mul cvt sub min ..
12 : np M | 66 m | f3 f2 M                                # movlps movlpd movsldup movddup
13,17 : np 66 m                                           # movlps movhps
14-15,28-29,2E-2F,54-57,60-6B,6E,74-76,D1-D5,D8-E5,E8-EF,F1-F6,F8-FE : np 66 M
16 : np M | 66 m | f3 M                                   # movhps movhpd movshdup
20,22 regs : M /0,2-4                                     # mov cr
21,23 regs : M                                            # mov dr
2A,2C-2D : M                                              # cvt
2B : m                                                    # movntps movntpd movntss movntsd
37 : np                                                   # getsec
40-4F : M                                                 # cmov
50,D7,F7 : np 66 r                                        # movmskps pmovmskb maskmovq
52-53 : np f3 M                                           # rsqrt rcp
5B,6F,7E-7F : np 66 f3 M                                  # cvtdq2ps movq movd
6C-6D : 66 M                                              # punpcklqdq punpckhqdq
70 ib : M                                                 # pshufw pshufd pshufhw pshuflw
71-72 ib : np 66 r /2,4,6                                 # shifts
73 ib : np r /2,6 | 66 r /2-3,6-7
77 : np                                                   # emms
78 sse4a : np M | 66 r /0 | f2 r                          # vmread extrq insertq
79 : np M | 66 f2 r                                       # vmwrite extrq insertq
7C-7D,D0 : 66 f2 M                                        # hadd hsub addsub
80-8F jz :                                                # jcc
90-9F : M                                                 # setcc
A3,A5,AD,AF,B6-B7,B9,BC-BF,FF : M                         # bt shld shrd imul movzx ud1 .. ud0
A4,AC ib : M                                              # shld shrd
AB,B3,BB,B0-B1,C0-C1 : M lock                             # bts btr btc cmpxchg xadd
AE : np m | np r /5-7 | 66 m /6-7 | 66 r /6 | f3 m /4,6 | f3 r /4-6 | f3 r o64 /0-3 | f2 r /6
B2,B4-B5 : m                                              # lss lfs lgs
B8 : f3 M                                                 # popcnt
BA ib : M /4 | M /5-7 lock                                # bt bts btr btc
C2 ib : M                                                 # cmpps
C3 : np m                                                 # movnti
C4,C6 ib : np 66 M                                        # pinsrw shufps
C5 ib : np 66 r                                           # pextrw
C7 : m /1 lock | np m /3-7 | 66 f3 m /6 | np 66 r /6-7 | f3 r /7 | f3 r o64 /6
C8-CF :                                                   # bswap
D6 : 66 M | f3 f2 r                                       # movq movq2dq movdq2q
E6 : 66 f3 f2 M                                           # cvt
E7 : np 66 m                                              # movntq movntdq
F0 : f2 m                                                 # lddqu
"""

LEGACY_0F38 = """
00-0B,1C-1E : np 66 M                                     # ssse3
10,14-15,17,20-25,28-29,2B,30-35,37-41,CF,DB : 66 M       # sse4, gf2p8mulb, aesimc
2A,80-82 : 66 m                                           # movntdqa invept invvpid invpcid
C8-CD : np M                                              # sha
D8 : f3 m /0-3                                            # key locker
DC : 66 M | f3 M                                          # aesenc, aesenc128kl, loadiwkey
DD-DF : 66 M | f3 m                                       # aes, key locker
F0-F1 : np 66 m | f2 M                                    # movbe crc32
F5 : 66 m                                                 # wruss
F6 : np m | 66 f3 M                                       # wrss adcx adox
F8 : 66 f3 f2 m | f3 f2 r o64                             # movdir64b enqcmd, urdmsr uwrmsr
F9 : np m                                                 # movdiri
FA-FB : f3 r                                              # encodekey
FC : m                                                    # aadd aand aor axor
"""

LEGACY_0F3A = """
08-0E,14-17,20-22,40-42,44,60-63,CE-CF,DF ib : 66 M       # sse4, gf2p8affine, aeskeygenassist
0F ib : np 66 M                                           # palignr
CC ib : np M                                              # sha1rnds4
F0 ib : f3 =C0                                            # hreset
"""

VEX_0F = """
10-11,51,58-5A,5C-5F : M                                  # vmovups .. vsqrt vadd vmul vcvt ..
12 : np M | 66 m | f3 f2 M
13,17,2B : np 66 m
14-15,28-29,2E-2F,54-57 : np 66 M
16 : np M | 66 m | f3 M
2A,2C-2D : f3 f2 M
41-42,44-47,4A-4B,98-99 : np 66 r                         # kand kandn knot kor .. kortest ktest
50 : np 66 r
52-53 : np f3 M
5B : np 66 f3 M
60-6E,74-76,D1-D6,D8-E5,E8-EF,F1-F6,F8-FE : 66 M
6F,7E-7F : 66 f3 M
70 ib : 66 f3 f2 M
71-72 ib : 66 r /2,4,6
73 ib : 66 r /2-3,6-7
77 : np                                                   # vzeroupper vzeroall
7C-7D,D0 : 66 f2 M
90 : np 66 M                                              # kmov
91 : np 66 m
92-93 : np 66 f2 r
AE : np m /2-3                                            # vldmxcsr vstmxcsr
C2 ib : M
C4 ib : 66 M
C5 ib : 66 r
C6 ib : np 66 M
D7,F7 : 66 r
E6 : 66 f3 f2 M
E7 : 66 m
F0 : f2 m
"""

VEX_0F38 = """
00-0F,13,16-19,1C-1E,20-25,28-29,2B,30-41,45-47,52-53,58-59,78-79 : 66 M
1A,2A,2C-2F,5A,8C,8E : 66 m
49 : np 66 m o64 /0 | np o64 =C0 | f2 o64 =C0,C8,D0,D8,E0,E8,F0,F8  # tile configuration
4B sib : 66 f3 f2 m o64                                   # tileload tilestore
50-51 : M                                                 # vpdpbusd, AVX-VNNI-INT8
5C : f3 f2 r o64                                          # tdpbf16ps tdpfp16ps
5E : r o64                                                # tdpbuud tdpbusd tdpbsud tdpbssd
6C : np 66 r o64                                          # tcmmrlfp16ps tcmmimfp16ps
72 : f3 M                                                 # vcvtneps2bf16
90-93 vsib : 66 m                                         # gathers
96-9F,A6-AF,B4-BF,CF,DB-DF : 66 M                         # fma, vpmadd52, gf2p8mulb, aes
B0 : m                                                    # AVX-NE-CONVERT
B1 : 66 f3 m
CB-CD : f2 r                                              # SHA512
D2-D3 : np 66 f3 M                                        # AVX-VNNI-INT16
DA : M                                                    # SM3, SM4
E0-EF : 66 m o64                                          # cmpccxadd
F2 : np M                                                 # andn
F3 : np M /1-3                                            # blsr blsmsk blsi
F5 : np f3 f2 M                                           # bzhi pext pdep
F6 : f2 M                                                 # mulx
F7 : M                                                    # bextr shlx sarx shrx
"""

VEX_0F3A = """
00-02,04-06,08-0F,14-19,1D,20-22,38-39,40-42,44,46,4A-4C,60-63,CE-CF,DE-DF ib : 66 M
30-33 ib : 66 r                                           # kshift
F0 ib : f2 M                                              # rorx
"""

EVEX_0F = """
10-11,51,58-5A,5C-5F,78-79 : M
12 : np M | 66 m | f3 f2 M
13,17,2B : np 66 m
14-15,28-29,2E-2F,54-57 : np 66 M
16 : np M | 66 m | f3 M
2A,2C-2D : f3 f2 M
5B : np 66 f3 M
60-6E,74-76,D1-D6,D8-E5,E8-EF,F1-F6,F8-FE : 66 M
6F,7A-7B,7F,E6 : 66 f3 f2 M
70 ib : 66 f3 f2 M
71 ib : 66 M /2,4,6
72 ib : 66 M /0-2,4,6
73 ib : 66 M /2-3,6-7
7E : 66 f3 M
C2 ib : M
C4 ib : 66 M
C5 ib : 66 r
C6 ib : np 66 M
E7 : 66 m
"""

EVEX_0F38 = """
00,04,0B-0D,16,18-19,1C-1F,2B-2D,36-37,3B-40,42-47,4C-51,54-55,58-59 : 66 M
10-15,20-27,30-35 : 66 f3 M
1A-1B,5A-5B : 66 m
28-29 : 66 M | f3 r                                       # vpmuldq vpcmpeqq; vpmovm2b vpmovb2m
2A : 66 m | f3 r                                          # vmovntdqa; vpbroadcastmb2q
38-39 : 66 M | f3 r                                       # vpmins; vpmovm2d vpmovd2m
3A : 66 M | f3 r                                          # vpminuw; vpbroadcastmw2d
52 : 66 f3 M | f2 m                                       # vpdpwssd vdpbf16ps; vp4dpwssd
53 : 66 M | f2 m
62-66,70-71,73,75-79,7D-7F,83,88-8B,8D,8F : 66 M
68 : f2 M                                                 # vp2intersect
72 : 66 f3 f2 M                                           # vpshrdvd vcvtneps2bf16 vcvtne2ps2bf16
7A-7C : 66 r                                              # vpbroadcast from a general register
90-93,A0-A3 vsib : 66 m                                   # gathers, scatters
96-99,9C-9F,A6-A9,AC-AF,B4-BF,C4,C8,CA-CD,CF,DC-DF : 66 M
9A-9B,AA-AB : 66 M | f2 m                                 # fma; v4fmaddps v4fnmaddps
C6-C7 vsib : 66 m /1-2,5-6                                # gather and scatter prefetches
"""

EVEX_0F3A = """
00-01,03-05,09,0B,0F,14-1B,1D-23,25,38-3B,3E-3F,42-44,50-51,54-55,70-73,CE-CF ib : 66 M
08,0A,26-27,56-57,66-67 ib : np 66 M
C2 ib : np f3 M                                           # vcmpph vcmpsh
"""

EVEX_5 = """
10-11,2A,2C-2D : f3 M                                     # AVX512-FP16
1D,7C : np 66 M
2E-2F : np M
51,58-59,5C-5F : np f3 M
5A,7D : M
5B,78-79 : np 66 f3 M
6E,7E : 66 M
7A : 66 f2 M
7B : 66 f3 M
"""

EVEX_6 = """
13 : np 66 M
2C-2D,42-43,4C-4F,96-9F,A6-AF,B6-BF : 66 M
56-57,D6-D7 : f3 f2 M
"""

MAPS: dict[tuple[str, int], str] = {
    ("legacy", 0): ONE_BYTE,
    ("legacy", 1): LEGACY_0F,
    ("legacy", 2): LEGACY_0F38,
    ("legacy", 3): LEGACY_0F3A,
    ("vex", 1): VEX_0F,
    ("vex", 2): VEX_0F38,
    ("vex", 3): VEX_0F3A,
    ("evex", 1): EVEX_0F,
    ("evex", 2): EVEX_0F38,
    ("evex", 3): EVEX_0F3A,
    ("evex", 5): EVEX_5,
    ("evex", 6): EVEX_6,
}


def cells(encoding: str, number: int, mode: int) -> dict[int, Cell]:
    """The defined opcodes of map `number` of `encoding` (legacy, vex, evex) in mode 16, 32, 64."""
    return parse(MAPS[encoding, number], mode)
