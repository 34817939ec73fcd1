"""Domains of makers' clouds, and what talking to them tells. Compiled by us."""

from __future__ import annotations

SHARED_SYSTEMS = frozenset(
    {
        8075, 12876, 13335, 14061, 14618, 15169, 16276, 16509, 20473, 20940, 24940, 31898, 37963,
        45090, 45102, 51167, 54113, 63949, 132203, 396982,
    }
)  # fmt: skip
"""Autonomous systems that rent machines to anybody: being there tells nothing of who is asked.

Microsoft, Scaleway, Cloudflare, DigitalOcean, Amazon (2), Google (2), OVH, Vultr, Akamai, Hetzner,
Oracle, Alibaba (2), Tencent (2), Contabo, Fastly, Linode.
"""

MAKERS = {
    "Amazon": "device-metrics-us.amazon.com avs-alexa-na.amazon.com alexa.amazon.com "
    "amazonalexa.com "
    "api.amazonalexa.com "
    "unagi-na.amazon.com dcape-na.amazon.com blinkforhome.com immedia-semi.com "
    "ring.com prod.amcs-tachyon.com ntp-g7g.amazon.com",
    "Anker": "eufylife.com",
    "Apple": "captive.apple.com push.apple.com icloud.com mesu.apple.com gs.apple.com",
    "Aqara": "aqara.com aqara.cn lumiunited.com",
    "Arlo": "arlo.com arloxcld.com",
    "August": "august.com",
    "AVM": "myfritz.net",
    "Belkin": "xbcs.net wemo2.com belkin.com",
    "Bose": "bose.com bose.io",
    "Brother": "brother.com brother.co.jp",
    "Canon": "c-ij.com canon.com",
    "D-Link": "mydlink.com dlink.com dlinkddns.com mydlink.us",
    "Ecobee": "ecobee.com",
    "Ecovacs": "ecouser.net ecovacs.com",
    "Edimax": "myedimax.com edimax.com",
    "Epson": "epsonconnect.com epson.com epson.net",
    "eQ-3": "homematic.com eq-3.de",
    "Ezviz": "ezvizlife.com ezviz7.com",
    "Fitbit": "fitbit.com",
    "Garmin": "garmin.com",
    "Google": "nest.com dropcam.com clients3.google.com chromecast.com",
    "Govee": "govee.com",
    "Hikvision": "hik-connect.com hikvision.com",
    "HP": "hpeprint.com hpconnected.com hpsmart.com",
    "IKEA": "ikea.net ikea.com",
    "iRobot": "irobotapi.com irobot.com",
    "LG": "lgtvsdp.com lgeapi.com lgthinq.com lgtvcommon.com lgsmartad.com",
    "LIFX": "lifx.co lifx.com",
    "Lutron": "lutron.com",
    "Meross": "meross.com",
    "Microsoft": "xboxlive.com xbox.com",
    "Netatmo": "netatmo.net netatmo.com",
    "Nintendo": "nintendo.net",
    "OSRAM": "lightify.com arrayent.com",
    "Philips": "meethue.com dcp.cpp.philips.com ecdinterface.philips.com philips.com",
    "QNAP": "myqnapcloud.com qnap.com",
    "Reolink": "reolink.com",
    "Roborock": "roborock.com",
    "Roku": "roku.com rokutime.com",
    "Samsung": "samsungcloudsolution.com samsungcloudsolution.net samsungotn.net smartthings.com "
    "samsungelectronics.com samsungcloud.tv samsungiotcloud.com",
    "Shelly": "shelly.cloud",
    "Smarter": "smarter.am smarterapps.am",
    "Sonoff": "coolkit.cc coolkit.cn",
    "Sonos": "sonos.com ws.sonos.com",
    "Sony": "playstation.net playstation.com sonyentertainmentnetwork.com bravia.dtv",
    "SwitchBot": "switch-bot.com",
    "Synology": "synology.com quickconnect.to",
    "Tesla": "teslamotors.com tesla.services",
    "TP-Link": "tplinkcloud.com tplinkra.com tp-link.com tplinknbu.com devs.tplinkcloud.com",
    "Tuya": "tuyaus.com tuyaeu.com tuyacn.com tuya.com wgine.com",
    "Ubiquiti": "ui.com ubnt.com",
    "Vizio": "vizio.com",
    "Wansview": "ajcloud.net",
    "Western Digital": "wd2go.com mycloud.com",
    "Wink": "wink.com",
    "Withings": "withings.net withings.com",
    "Wyze": "wyzecam.com wyze.com",
    "Xiaomi": "miio.xiaomi.com ot.io.mi.com io.mi.com xiaomi.net yeelight.com",
    "Yi": "xiaoyi.com yitechnology.com",
}

_SYSTEMS = {
    "Android": "connectivitycheck.gstatic.com connectivitycheck.android.com "
    "android.clients.google.com "
    "mtalk.google.com play.googleapis.com",
    "Windows": "msftconnecttest.com msftncsi.com windowsupdate.com settings-win.data.microsoft.com "
    "ctldl.windowsupdate.com",
    "Linux": "connectivity-check.ubuntu.com ntp.ubuntu.com archive.ubuntu.com deb.debian.org "
    "debian.pool.ntp.org openwrt.pool.ntp.org nmcheck.gnome.org fedoraproject.org",
    "iOS": "captive.apple.com",
}

_CATEGORIES = {
    "camera": "mydlink.com arlo.com wyzecam.com dropcam.com hik-connect.com ezvizlife.com "
    "reolink.com "
    "ajcloud.net blinkforhome.com immedia-semi.com xiaoyi.com",
    "console": "xboxlive.com nintendo.net playstation.net",
    "doorbell": "ring.com",
    "robot": "ecouser.net irobotapi.com roborock.com",
    "speaker": "sonos.com avs-alexa-na.amazon.com bose.io",
    "thermostat": "ecobee.com",
    "tv": "roku.com rokutime.com lgtvsdp.com samsungotn.net vizio.com lgtvcommon.com",
}

MAKER, SYSTEM, CATEGORY = 0.6, 0.55, 0.5
"""Weights: the apps that steer things talk to the same clouds."""

Cloud = tuple[float, tuple[tuple[str, str], ...]]


def _clouds() -> dict[str, Cloud]:
    found: dict[str, list[tuple[float, str, str]]] = {}
    for weight, attribute, table in (
        (MAKER, "vendor", MAKERS),
        (SYSTEM, "system", _SYSTEMS),
        (CATEGORY, "category", _CATEGORIES),
    ):
        for value, names in table.items():
            for name in names.split():
                found.setdefault(name, []).append((weight, attribute, value))
    return {
        name: (min(each[0] for each in tells), tuple((each[1], each[2]) for each in tells))
        for name, tells in found.items()
    }


CLOUDS: dict[str, Cloud] = _clouds()
"""What talking to a domain, or to a name below it, tells."""
