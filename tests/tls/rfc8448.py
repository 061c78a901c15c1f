"""Traces of RFC 8448: section 3 (simple 1-RTT) and section 4 (resumed, with 0-RTT data), as flights of records."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from tlsdecrypt.flow import Direction
from tlsdecrypt.tls.private_key import PrivateKey, private_key

UP, DOWN = Direction.CLIENT_TO_SERVER, Direction.SERVER_TO_CLIENT

SAID = bytes(range(0x32))  # by each side, in both traces
EARLY_DATA = b"ABCDEF"
RETRY_RANDOM = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")  # of a ServerHello


def x25519_key(name: str, digits: str) -> PrivateKey:
    return private_key(X25519PrivateKey.from_private_bytes(bytes.fromhex(digits)), name)


CLIENT_KEY = x25519_key("client.pem", "49af42ba7f7994852d713ef2784bcbcaa7911de26adc5642cb634540e7ea5005")
SERVER_KEY = x25519_key("server.pem", "b1580eeadf6dd589b8ef4f2d5652578cc810e9980191ec8d058308cea216a21e")
RESUMED_CLIENT_KEY = x25519_key("client2.pem", "bff91188283846dd6a2134ef7180ca2b0b14fb10dce707b5098c0dddc813b2df")
RESUMED_SERVER_KEY = x25519_key("server2.pem", "de5b4476e7b490b2652d338acbf2948066f255f9440e23b98fc69835298dc107")
PSK = bytes.fromhex("4ecd0eb6ec3b4d87f5d6028f922ca4c5851a277fd41311c9e62d2c9492e1c4f3")

FULL = [
    (
        UP,
        bytes.fromhex(
            "16030100c4010000c00303"  # ClientHello
            "cb34ecb1e78163ba1c38c6dacb196a6dffa21a8d9912ec18a2ef6283024dece7000006130113031302010000910000000b0009000006"
            "736572766572ff01000100000a00140012001d00170018001901000101010201030104002300000033002600"
            "24001d002099381de560e4bd43d23d8e435a7dbafeb3c06e51c13cae4d5413691e529aaf2c002b0003020304"
            "000d0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c00024001"
        ),
    ),
    (
        DOWN,
        bytes.fromhex(
            "160303005a020000560303"  # ServerHello
            "a6af06a4121860dc5e6e60249cd34c95930c8ac5cb1434dac155772ed3e2692800130100002e00330024001d0020"
            "c9828876112095fe66762bdbf7c672e156d6cc253b833df1dd69b1b04e751f0f002b00020304"
            "17030302a2"  # EncryptedExtensions, Certificate, CertificateVerify, Finished
            "d1ff334a56f5bff6594a07cc87b580233f500f45e489e7f33af35edf7869fcf40aa40aa2b8ea73f848a7ca07612ef9f945cb960b4068"
            "905123ea78b111b429ba9191cd05d2a389280f526134aadc7fc78c4b729df828b5ecf7b13bd9aefb0e57f271585b8ea9bb355c7c7902"
            "0716cfb9b1183ef3ab20e37d57a6b9d7477609aee6e122a4cf51427325250c7d0e509289444c9b3a648f1d71035d2ed65b0e3cdd0cba"
            "e8bf2d0b227812cbb360987255cc744110c453baa4fcd610928d809810e4b7ed1a8fd991f06aa6248204797e36a6a73b70a2559c09ea"
            "d686945ba246ab66e5edd8044b4c6de3fcf2a89441ac66272fd8fb330ef8190579b3684596c960bd596eea520a56a8d650f563aad274"
            "09960dca63d3e688611ea5e22f4415cf9538d51a200c27034272968a264ed6540c84838d89f72c24461aad6d26f59ecaba9acbbb317b"
            "66d902f4f292a36ac1b639c637ce343117b659622245317b49eeda0c6258f100d7d961ffb138647e92ea330faeea6dfa31c7a84dc3bd"
            "7e1b7a6c7178af36879018e3f252107f243d243dc7339d5684c8b0378bf30244da8c87c843f5e56eb4c5e8280a2b48052cf93b16499a"
            "66db7cca71e4599426f7d461e66f99882bd89fc50800becca62d6c74116dbd2972fda1fa80f85df881edbe5a37668936b335583b5991"
            "86dc5c6918a396fa48a181d6b6fa4f9d62d513afbb992f2b992f67f8afe67f76913fa388cb5630c8ca01e0c65d11c66a1e2ac4c85977"
            "b7c7a6999bbf10dc35ae69f5515614636c0b9b68c19ed2e31c0b3b66763038ebba42f3b38edc0399f3a9f23faa63978c317fc9fa66a7"
            "3f60f0504de93b5b845e275592c12335ee340bbc4fddd502784016e4b3be7ef04dda49f4b440a30cb5d2af939828fd4ae3794e44f94d"
            "f5a631ede42c1719bfdabf0253fe5175be898e750edc53370d2b"
        ),
    ),
    (
        UP,
        bytes.fromhex(
            "1703030035"  # Finished
            "75ec4dc238cce60b298044a71e219c56cc77b0517fe9b93c7a4bfc44d87f38f80338ac98fc46deb384bd1caeacab6867d726c40546"
        ),
    ),
    (
        DOWN,
        bytes.fromhex(
            "17030300de"  # NewSessionTicket
            "3a6b8f90414a97d6959c3487680de5134a2b240e6cffac116e95d41d6af8f6b580dcf3d11d63c758db289a015940252f55713e061dc1"
            "3e078891a38efbcf5753ad8ef170ad3c7353d16d9da773b9ca7f2b9fa1b6c0d4a3d03f75e09c30ba1e62972ac46f75f7b981be63439b"
            "2999ce13064615139891d5e4c5b406f16e3fc181a77ca475840025db2f0a77f81b5ab05b94c01346755f69232c86519d86cbeeac87aa"
            "c347d143f9605d64f650db4d023e70e952ca49fe5137121c74bc2697687e248746d6df353005f3bce18696129c8153556b3b6c6779b3"
            "7bf15985684f"
        ),
    ),
    (
        UP,
        bytes.fromhex(
            "1703030043"  # application data
            "a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a20441e2b62974e1f5a6292a2977014"
            "bd1e3deae63aeebb21694915e4"
        ),
    ),
    (
        DOWN,
        bytes.fromhex(
            "1703030043"  # application data
            "2e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb501a59a8fcc49c4bf2e5f0a21c0047"
            "c2abf332540dd032e167c2955d"
        ),
    ),
    (UP, bytes.fromhex("1703030013c9872760655666b74d7ff1153efd6db6d0b0e3")),  # close_notify
    (DOWN, bytes.fromhex("1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9")),
]

RESUMED = [
    (
        UP,
        bytes.fromhex(
            "1603010200010001fc0303"  # ClientHello
            "1bc3ceb6bbe39cff938355b5a50adb6db21b7a6af649d7b4bc419d7876487d95000006130113031302010001cd0000000b0009000006"
            "736572766572ff01000100000a00140012001d0017001800190100010101020103010400330026002400"
            "1d0020e4ffb68ac05f8d96c99da26698346c6be16482badddafe051a66b4f18d668f0b002a0000002b0003020304"
            "000d0020001e040305030603020308040805080604010501060102010402050206020202002d00020101001c00024001"
            "00150057" + 87 * "00" + "002900dd00b800b2"  # padding; pre_shared_key
            "2c035d829359ee5ff7af4ec900000000262a6494dc486d2c8a34cb33fa90bf1b0070ad3c498883c9367c09a2be785abc55cd226097a3"
            "a982117283f82a03a143efd3ff5dd36d64e861be7fd61d2827db279cce145077d454a3664d4e6da4d29ee03725a6a4dafcd0fc67d2ae"
            "a70529513e3da2677fa5906c5b3f7d8f92f228bda40dda721470f9fbf297b5aea617646fac5c03272e970727c621a79141ef5f7de650"
            "5e5bfbc388e93343694093934ae4d357fad6aacb"
            "0021203add4fb2d8fdf822a0ca3cf7678ef5e88dae990141c5924d57bb6fa31b9e5f9d"  # binders
            "1703030017ab1df420e75c457a7cc5d2844f76d5aee4b4edbf049be0"
        ),
    ),  # early data
    (
        DOWN,
        bytes.fromhex(
            "16030300600200005c0303"  # ServerHello
            "3ccfd2dec890222763472ae8136777c9d7358777bb66e91ea5122495f559ea2d00130100003400290002000000330024001d0020"
            "121761ee42c333e1b9e77b60dd57c2053cd94512ab47f115e86eff50942cea31002b00020304"
            "1703030061"  # EncryptedExtensions, Finished
            "dc48237b4b879f50d0d4d262ea8b4716eb40ddc1eb957e11126e8a7149c2d012d37a7115957e64ce30008b9e0323f2c05a9c1c77b4f3"
            "7849a695ab255060a33fee770ca95cb8486bfd0843b87024865ca35cc41c4e515c64dcb1369f98635bc7a5"
        ),
    ),
    (
        UP,
        bytes.fromhex(
            "1703030015aca6fc944841298df99593725f9bf9754429b12f09"  # EndOfEarlyData
            "1703030035"  # Finished
            "00f8b467d14cf22a4b3f0b6ae0d8e6cc8d08e0db3515ef5c2bdf1922eafbb70009964716d834fb70c3d2a56c5b1f5f6bdba6c333cf"
            "1703030043"  # application data
            "b1cebce242aa201be9ae5e1cb2a9aa4b33d4e866af1edb068919237741aa031d7a74d491c99b9d4e232b74206bc6fbaa04fe78be44a9"
            "b4f54320a17eb76992afac3103"
        ),
    ),
    (
        DOWN,
        bytes.fromhex(
            "1703030043"  # application data
            "275e9f20acff57bc000657d3867df039cccf79047884cf75771746f740b5a83f462a0954c3581393a203a25a7dd14141ef1a37900cdb"
            "62ff62dee1ba39ab2590cbf194"
        ),
    ),
    (UP, bytes.fromhex("17030300130facce3246bdfc6369838d6a82ae6de5d422dc")),  # close_notify
    (DOWN, bytes.fromhex("17030300135b18af444e8e1eec7158fb62d8f2577d37ba5d")),
]
