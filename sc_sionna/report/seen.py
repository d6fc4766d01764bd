"""What is seen in the numbers of each record, agreeing with the paper's claim or not."""

from __future__ import annotations

# record → what is seen in these numbers, agreeing with the claim or not; to be read again when a record is renewed
SEEN: dict[str, list[str]] = {
    "accuracy_vs_snr_digits": [
        "Agrees for the learned schemes against JPEG+LDPC at low SNR, and for adversarial training, which at 18 dB costs 0 "
        "to 3 points clean. Disagrees in the order: JSCC and, from 9 dB on, JPEG+LDPC with adversarial training are ahead "
        "of every masked VQ-VAE, with and without semantic noise. JSCC sends all patches, at the same number of channel "
        "uses, and analog symbols over 24 uses degrade without a cliff. JPEG+LDPC at quality 75, its scan alone, costs "
        "9 times the symbols (the contest below shows it at 1.8 times). The class decided at the transmitter and sent "
        "alone over one stream, in 30 uses, loses nothing down to -9 dB; under semantic noise it keeps 0.6 %, and with "
        "adversarial training 92.8 %: no scheme that sends an image is more robust over the whole range.",
    ],
    "accuracy_vs_uses_digits": [
        "Where four streams carry (12 dB and above) a thumbnail of 8 x 8 pixels at 2 bits is as accurate in 18 uses "
        "as JPEG with its tables in 500 to 600; the JPEG scan alone takes 44. The masked VQ-VAE at 24 uses is level with "
        "them, and at 36 it has the highest value, 99.4 %, within the others' intervals. At 0 dB every conventional "
        "picture is lost on four streams, while JSCC and the masked VQ-VAE still work; the class alone, decided at "
        "the transmitter and sent over one stream in 30 uses, is above the masked VQ-VAE there. No scheme adapts "
        "its rank or rate here, which would move the conventional ones most.",
    ],
    "accuracy_vs_uses_cifar10": [
        "Where four streams carry, the masked VQ-VAE is ahead of every conventional picture up to 64 uses: 66.6 % in "
        "32 and 70.4 % in 64 uses at 18 dB, where AVIF has 53.8 % in 48 and 71.6 % in 109 uses, and JPEG's scan 60.0 "
        "% in 82 and 70.8 % in 146; with more uses AVIF, WebP and JPEG pass it and end at 72 to 75 %. At 0 dB it has "
        "54 % in 32 uses, where every picture is lost on four streams. The class alone, decided at the transmitter, "
        "is above all that is as cheap at every SNR, 73.4 % in 30 uses: for classification alone nothing is gained by "
        "sending a picture. 500 images, intervals of 4 points; one training seed; the classifier behind the pictures "
        "was trained on clean ones; JSCC has no weights here.",
    ],
    "equal_uses_32_adaptive_digits": [
        "![](figures/equal_uses_32_digits.png)",
        "In 32 uses and with a rate that follows the SNR the cliff of the main job is gone: the masked VQ-VAE goes "
        "from 95.0 % in 3 indices at -9 dB to 99.4 %, JSCC from 93.3 to 98.3 %, the class sent alone has 98.1 % "
        "throughout. A thumbnail, before a classifier that was fine-tuned on decoded pictures, has 55 % at -9 dB, 92.5 % at "
        "-3 dB and 97 % from 0 dB on (before one that was not: 43, 77 and 88 %); JPEG's scan needs 3 dB, AVIF 12 dB, and "
        "WebP fits half of the images at 18 dB. The adaptive link is nowhere more than a point below the best of the three "
        "fixed modes. Where each image has the mode of its own realisation, the thumbnail gains 2 to 4 points at -6 and -3 "
        "dB and the other schemes nothing measurable. "
        "An ideal code with the same source codec moves the thumbnail by 3 to 9 dB and JPEG by 6: a better channel "
        "code would gain more than a better picture codec. That three indices of six bits are enough says that the "
        "code of the digits is still the class, repeated; CIFAR-10 is where content is tested.",
    ],
    "uses_for_60_percent_32_cifar10": [
        "![](figures/uses_for_60_percent_cifar10_contest.png)",
        "![](figures/uses_for_60_percent_cifar10.png)",
        "In 32 uses the masked VQ-VAE has 63.6 % at 0 dB and 68.8 % at 18 dB, 10 and 5 points below the class sent alone; "
        "JSCC 68.6 and 69.0 %. No picture comes near below 12 dB: a thumbnail has 44 to 60 %, JPEG's scan 38 to 62 %, and "
        "AVIF needs 18 dB for 65 %, though the classifier behind them was fine-tuned on decoded pictures. 500 images, one "
        "training seed of each scheme.",
    ],
    "uses_for_60_percent_64_cifar10": [
        "With 64 uses pictures catch up from 12 dB on: JPEG's scan is level with the masked VQ-VAE and JSCC there, at 18 dB "
        "WebP is 2 points below the class alone, within its interval. At 0 dB the learned schemes stay 10 points and more "
        "above every picture.",
    ],
    "uses_for_60_percent_128_cifar10": [
        "With 128 uses AVIF and WebP lead the learned schemes from 12 dB on by 2 to 4 points; AVIF reaches the class alone "
        "within its interval at 18 dB: what a picture carries is no longer the limit, but the classifier. At 0 dB the "
        "learned schemes are ahead of every picture still. Nothing is ahead of the class sent alone at any SNR.",
    ],
    "ber_vs_snr": [
        "The cliff of four SVD streams lies between 3 and 6 dB, of one stream 12 dB lower; eight streams have a "
        "block error rate of 1 at every SNR. So a scheme trained at 3 dB with four streams meets mostly failed "
        "blocks.",
    ],
    "mcs_table_uses64": [
        "One stream carries most at -9 dB and below, two from -6 to 3 dB, four from 6 dB on: no fixed number of streams is "
        "good over the whole range. The most bits per use under a block error rate of 0.1 rise from 0.4 at -12 dB to 24 at "
        "21 dB. Records of 32 and 128 uses lie beside this one.",
    ],
    "fig4_schemes_vs_snr_digits": [
        "At 18 dB adversarial training adds 57 to 61 points to the masked VQ-VAE under semantic noise and costs 1.4 clean, "
        "2.8 with FIM (agrees). Of the FIM nothing is seen there: with and without it the intervals overlap, clean and "
        "noisy (disagrees). Below 0 dB `masked-vqvae+fim+at` is far above `masked-vqvae+at`; trained with one descent on "
        "the sum of all terms the two were level, so this is a property of the training runs as much as of the module. "
        "JSCC+AT and JPEG+LDPC+AT are best (disagrees).",
    ],
    "fig5_codebook_size_digits": [
        "Disagrees: without channel errors the sizes are alike, and J = 4 costs a third of the symbols. Around 0 "
        "dB J = 64 is best and 256 no better than 4: an index of 8 bits is wrong more often. Under semantic noise "
        "the smallest codebook is the most robust.",
    ],
    "fig6_accuracy_vs_epsilon_digits": [
        "All fall with ε (agrees), those trained against it far less. JSCC+AT and JPEG+LDPC+AT are above both "
        "masked VQ-VAEs with adversarial training (disagrees); with and without the FIM their intervals overlap.",
    ],
    "fig6_accuracy_vs_epsilon_cifar10": [
        "Agrees: under noise of 0.012, with four draws of the mask, adversarial training keeps 44.9 % where the plain "
        "scheme keeps 22.9 %, and costs 8 points clean (58.8 against 66.6 %). 512 images, one training run each; the "
        "adaptive suite was not run here, so what is robust against stronger attacks is not known.",
    ],
    "fig7_accuracy_vs_reserving_ratio_digits": [
        "Agrees in direction: at ε = 0.03 and 0.05 accuracy rises with the ratio up to 0.75 and is then flat, at ε = 0.1 it "
        "falls from 52 % at a ratio of 0.25 to 34 % at 1; a quarter, not half, is best there. One model, trained at 0.5, is "
        "tested at all ratios, so what another ratio gains or loses includes that mismatch.",
    ],
    "fig8_accuracy_vs_ssnr_digits": [
        "Algorithm 1 hurts JSCC more than Gaussian noise of the same power; on the coded masked VQ-VAE the two are alike, "
        "since a code block fails for either. Adversarial training at the source does not help the masked VQ-VAE here "
        "(agrees); JSCC gains up to 10 points from it, at 0 dB. The order of the schemes disagrees: JSCC is most robust.",
        "JPEG loses half of its accuracy at 12 dB, 13 dB more than the masked VQ-VAE stands and 19 more than the class sent "
        "alone; on the two uses of its header the same energy is enough at 25 dB, the highest ratio. A burst is no better "
        "than noise on as many random uses.",
    ],
    "fig9_feature_activation": [
        "Noise inhibits the frequent features (agrees). It does not activate the rare ones more, nor raise "
        "magnitudes, where the scheme was not trained against it (disagrees). The FIM alone does not change that; "
        "adversarial training makes clean and noisy activations alike.",
    ],
    "fig10_codebook_similarity": [
        "Agrees where the codebook is trained by Eq. (12) alone and unused codes stay unused: the term takes the root mean "
        "square from 0.63 to the least that 64 vectors in 8 dimensions can have, the Welch bound, and the scheme gains "
        "(see the ablation). As the presets are trained it has next to no effect: vectors that it moves away from the "
        "features fall out of use, and the measure against dead codes moves them back onto features.",
    ],
    "ablation_digits": [
        "Adversarial training adds 58 points under semantic noise for 1 to 4 clean (agrees). The stages of Algorithm 3, "
        "which take three descents per batch and see clean images too, are 3 to 4 points under noise above one descent "
        "on the sum, within the intervals. The FIM adds nothing measurable in three comparisons, clean or noisy "
        "(disagrees), and neither does its class-conditional form. Two reasons can be read off the model: Eq. (15) has no "
        "gradient along the mean over classes of Eq. (14), so the trained weights are still spread as they were drawn "
        "(range in the record of Fig. 9); and the blocks and the cosine look-up normalise what a weight scales.",
        "Masking half of the patches halves the symbols and costs 9 points under noise, 4 clean; masking where the noise "
        "hits costs 11 and 5 more than masking uniformly (disagrees): the noise hits the patches that carry the class. "
        "The codebook, against analog symbols of the same masked ViT over as many channel uses, makes no measurable "
        "difference (disagrees; against Eq. (7), whose gradient the quantiser masks in part). The orthogonality term, where "
        "codes may fall out of use and it can act (Fig. 10), adds 5 points clean and 4 to 5 under noise, the latter within "
        "the interval (agrees); by Eq. (12) alone and without it the scheme is level with the preset.",
        "Features alike sent once: at 18 dB an image needs 1.5 of its 32 indices, 9 source and 39 side bits in place of "
        "192, at the same accuracy (agrees as far as source bits go). At 3 dB it costs 59 points in this framing, which "
        "does not turn the freed bits into a lower rate: trained over a channel that loses most blocks, the codec has "
        "learned to repeat one index, and the repetition is what carries it there. Importance thresholds cost accuracy in "
        "proportion to what they save.",
    ],
    "robustness_audit_digits": [
        "The paper's attack with one draw of the mask overstates the robustness of a randomly masked scheme: against the "
        "worst of all attacks the masked VQ-VAE without adversarial training keeps nothing, with it two thirds of the "
        "images, with the FIM and without. The strongest attacks on it go through the soft and the unquantised twin, a "
        "sign that the quantiser masks part of the gradient.",
    ],
}
